"""`MemoryShelf` over a long-term memory of agentkit."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from agentkit import MemoryEntry, Namespace
from agentkit.errors import AgentError, UsageError
from agentkit.memory import BrowsableMemory, KeptEntry, Place, Scope, Where
from ops_core.errors import (
    FieldError,
    InvalidRequest,
    MemoriesNotConfigured,
    MemoriesUnavailable,
    MemoryNotFound,
)
from ops_core.memories import Memory, MemoryFilter, MemoryPage, NewMemory
from ops_core.store.cursor import next_cursor, read_cursor

log = structlog.get_logger(__name__)


async def _open_already() -> None:
    """Of a memory that needs no opening."""


class RememberedShelf:
    """Each call acts in the namespaces of one tenant. `ready` opens the memory, if it is not open."""

    def __init__(
        self, memory: BrowsableMemory, ready: Callable[[], Awaitable[None]] = _open_already
    ) -> None:
        self._memory = memory
        self._ready = ready

    async def add(self, new: NewMemory) -> tuple[Memory, bool]:
        namespace = Namespace(new.tenant_id, new.agent, new.user)
        entry = MemoryEntry(new.text, new.source, new.metadata)
        await self._open()
        try:
            with _translated():
                kept, is_new = await self._memory.keep(namespace, entry)
        except UsageError as error:
            raise InvalidRequest([FieldError("metadata", error.message)]) from None
        return _memory(kept), is_new

    async def get(self, tenant_id: str, memory_id: str) -> Memory:
        await self._open()
        with _translated():
            kept = await self._memory.entry(tenant_id, memory_id)
        if kept is None:
            raise MemoryNotFound(memory_id)
        return _memory(kept)

    async def page(
        self, tenant_id: str, where: MemoryFilter, *, limit: int, cursor: str | None
    ) -> MemoryPage:
        before = None if cursor is None else Place(*read_cursor(cursor))
        await self._open()
        with _translated():
            found = await self._memory.page(
                _scope(tenant_id, where), limit=limit + 1, before=before, where=_where(where)
            )
        return MemoryPage(
            [_memory(kept) for kept in found[:limit]],
            next_cursor(found, limit, lambda last: last.place),
        )

    async def search(
        self, tenant_id: str, query: str, where: MemoryFilter, *, limit: int
    ) -> list[Memory]:
        await self._open()
        with _translated():
            found = await self._memory.find(
                _scope(tenant_id, where), query, limit, where=_where(where)
            )
        return [_memory(kept) for kept in found]

    async def forget(self, tenant_id: str, memory_id: str) -> None:
        await self._open()
        with _translated():
            gone = await self._memory.forget_in(Scope(tenant_id), [memory_id])
        if not gone:
            raise MemoryNotFound(memory_id)

    async def forget_all(self, tenant_id: str, where: MemoryFilter) -> int:
        await self._open()
        with _translated():
            return await self._memory.forget_in(_scope(tenant_id, where))

    async def _open(self) -> None:
        try:
            with _translated():
                await self._ready()
        except UsageError as error:
            raise MemoriesNotConfigured(f"AGENTKIT_LTM_PROVIDER: {error.message}") from None


@contextmanager
def _translated() -> Iterator[None]:
    """Lets a UsageError through: what it is about, the caller knows."""
    try:
        yield
    except UsageError:
        raise
    except AgentError as error:  # its words name hosts: they are for the log
        log.warning("memories are away", why=error.message)
        raise MemoriesUnavailable from error


def _scope(tenant_id: str, where: MemoryFilter) -> Scope:
    return Scope(tenant_id, where.agent, where.user)


def _where(where: MemoryFilter) -> Where | None:
    return None if where.metadata is None else dict([where.metadata])


def _memory(kept: KeptEntry) -> Memory:
    return Memory(
        memory_id=kept.id,
        tenant_id=kept.namespace.tenant,
        agent=kept.namespace.agent,
        user=kept.namespace.user,
        text=kept.text,
        source=kept.source,
        metadata=kept.metadata,
        saved_at=kept.saved_at,
        score=kept.score,
    )
