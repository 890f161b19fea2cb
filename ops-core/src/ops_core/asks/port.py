"""What the services around asks need of a store. The log of a task stays the truth: a store writes what it
shows here in the transactions that write the log, and nothing else does.
"""

from dataclasses import dataclass
from typing import Protocol

from ops_core.ask import Ask, AskKind, AskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFilter:
    """Which asks to list; a field that is None does not filter."""

    kind: AskKind
    status: AskStatus | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class AskPage:
    """One page, newest first. `next_cursor` is None on the last page."""

    asks: list[Ask]
    total: int
    next_cursor: str | None


class AskStore(Protocol):
    """Raises `StoreUnavailable` when PostgreSQL is away."""

    async def get_ask(self, tenant_id: str, kind: AskKind, ask_id: str) -> Ask:
        """Raises `AskNotFound`."""
        ...

    async def ask_page(
        self, tenant_id: str, where: AskFilter, *, limit: int, cursor: str | None
    ) -> AskPage:
        """Newest first, stable under inserts. Raises `InvalidRequest` for a cursor it did not give out."""
        ...

    async def expire_asks(self, limit: int) -> int:
        """Ends at most `limit` asks whose time is over, of all tenants, and wakes their tasks; how many."""
        ...
