"""What can be done with memories. Every door goes through it."""

from dataclasses import dataclass

from ops_core.errors import FieldError, InvalidRequest, MemoryNotFound
from ops_core.memories.port import Memory, MemoryFilter, MemoryPage, MemoryShelf
from ops_core.memories.request import MemoryRequest
from ops_core.request import check_json

#: No id is longer. Characters.
_MAX_ID = 100


@dataclass(frozen=True, slots=True)
class Saved:
    """A memory, and whether this request is the one that made it."""

    memory: Memory
    created: bool


class MemoryService:
    """Adds memories, finds and forgets them; all of it within one tenant.

    Every method raises `MemoriesNotConfigured` and `MemoriesUnavailable`.
    """

    def __init__(self, shelf: MemoryShelf) -> None:
        self._shelf = shelf

    async def create(self, request: MemoryRequest, *, tenant_id: str, by: str) -> Saved:
        """Remembers it; the same once more is the same memory. Raises `InvalidRequest`."""
        return Saved(*await self._shelf.add(request.new(tenant_id, by)))

    async def get(self, memory_id: str, *, tenant_id: str) -> Memory:
        """Raises `MemoryNotFound`."""
        return await self._shelf.get(tenant_id, _possible(memory_id))

    async def list(
        self,
        where: MemoryFilter,
        *,
        tenant_id: str,
        query: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> MemoryPage:
        """One page, newest first; with `query` those that are most like it, best first, in the one page
        that there is.

        Raises `InvalidRequest` for a wrong cursor.
        """
        if query is None:
            return await self._shelf.page(tenant_id, where, limit=limit, cursor=cursor)
        return MemoryPage(await self._shelf.search(tenant_id, query, where, limit=limit), None)

    async def forget(self, memory_id: str, *, tenant_id: str) -> None:
        """Raises `MemoryNotFound`."""
        await self._shelf.forget(tenant_id, _possible(memory_id))

    async def forget_all(self, where: MemoryFilter, *, tenant_id: str) -> int:
        """Forgets everything of an agent, of a user, or of both; how much there was.

        Raises `InvalidRequest` when neither is named: nobody forgets everything by leaving something out.
        """
        if where.agent is None and where.user is None:
            raise InvalidRequest([FieldError("user", "name a user, an agent, or both")])
        return await self._shelf.forget_all(tenant_id, where)


def _possible(memory_id: str) -> str:
    check_json({"memory_id": memory_id})
    if not 1 <= len(memory_id) <= _MAX_ID:
        raise MemoryNotFound(memory_id)
    return memory_id
