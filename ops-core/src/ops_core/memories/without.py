"""What stands in for a memory where there is none."""

from ops_core.errors import MemoriesNotConfigured
from ops_core.memories.port import Memory, MemoryFilter, MemoryPage, NewMemory


class NoShelf:
    """`MemoryShelf` of a server that keeps no memories. `why` says what an operator would set."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def add(self, new: NewMemory) -> tuple[Memory, bool]:
        raise MemoriesNotConfigured(self._why)

    async def get(self, tenant_id: str, memory_id: str) -> Memory:
        raise MemoriesNotConfigured(self._why)

    async def page(
        self, tenant_id: str, where: MemoryFilter, *, limit: int, cursor: str | None
    ) -> MemoryPage:
        raise MemoriesNotConfigured(self._why)

    async def search(
        self, tenant_id: str, query: str, where: MemoryFilter, *, limit: int
    ) -> list[Memory]:
        raise MemoriesNotConfigured(self._why)

    async def forget(self, tenant_id: str, memory_id: str) -> None:
        raise MemoriesNotConfigured(self._why)

    async def forget_all(self, tenant_id: str, where: MemoryFilter) -> int:
        raise MemoriesNotConfigured(self._why)
