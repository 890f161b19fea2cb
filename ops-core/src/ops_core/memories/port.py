"""What is kept of memories, and the port of who keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A checked request, ready to be remembered."""

    tenant_id: str
    agent: str
    user: str
    """Whose it is beside the agent; empty: nobody's."""

    text: str
    source: str
    """Who said it."""

    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Something remembered."""

    memory_id: str
    tenant_id: str
    agent: str
    user: str
    text: str
    source: str
    metadata: Mapping[str, Scalar]
    saved_at: datetime
    score: float | None = None
    """How much it is like what was searched for: 1 at most; None when nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """Which of a tenant's memories. None does not filter; an empty user is nobody."""

    agent: str | None = None
    user: str | None = None
    metadata: tuple[str, Scalar] | None = None
    """A key, and what is there: 1 and 1.0 are the same; 1, True and "1" are three."""


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """One page. `next_cursor` is None on the last page, and of what was searched for."""

    memories: list[Memory]
    next_cursor: str | None


class MemoryShelf(Protocol):
    """Keeps the memories of every tenant; each call acts for one.

    Raises `MemoriesNotConfigured` where nothing is kept, and `MemoriesUnavailable`.
    """

    async def add(self, new: NewMemory) -> tuple[Memory, bool]:
        """Remembers it; True when it is new.

        What that agent and user have already, but for case, width and blanks, stays one memory: it gets the
        new text, source and time, and the new metadata over the old. Raises `InvalidRequest` for what
        does not fit then.
        """
        ...

    async def get(self, tenant_id: str, memory_id: str) -> Memory:
        """Raises `MemoryNotFound`."""
        ...

    async def page(
        self, tenant_id: str, where: MemoryFilter, *, limit: int, cursor: str | None
    ) -> MemoryPage:
        """Newest first, stable while memories come and go.

        Raises `InvalidRequest` for a cursor that it did not give out.
        """
        ...

    async def search(
        self, tenant_id: str, query: str, where: MemoryFilter, *, limit: int
    ) -> list[Memory]:
        """The most alike first, each with its score."""
        ...

    async def forget(self, tenant_id: str, memory_id: str) -> None:
        """Raises `MemoryNotFound`."""
        ...

    async def forget_all(self, tenant_id: str, where: MemoryFilter) -> int:
        """Forgets all of that agent, that user, or both; how many there were."""
        ...
