"""What is remembered, as those see it who answer for it: listed, searched and forgotten by whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from agentkit.errors import UsageError
from agentkit.memory.long_term import LongTermMemory, MemoryEntry, Namespace, Scalar, Where


@dataclass(frozen=True, slots=True)
class Scope:
    """Namespaces of one tenant: all of them, or those of an agent, of a user, or of both. None is any.

    For the program's own doors, never for a model: an agent is given one `Namespace`.
    """

    tenant: str
    agent: str | None = None
    user: str | None = None

    def __post_init__(self) -> None:
        if not self.tenant.strip():
            raise UsageError("Scope: name the tenant; no call reaches those of several.")

    def __contains__(self, namespace: Namespace) -> bool:
        return (
            namespace.tenant == self.tenant
            and self.agent in (None, namespace.agent)
            and self.user in (None, namespace.user)
        )


class Place(NamedTuple):
    """Where an entry stands in a list, which is newest first."""

    saved_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """Something remembered, and whose it is. `score` is there when it was searched for."""

    id: str
    namespace: Namespace
    text: str
    source: str
    saved_at: datetime
    metadata: Mapping[str, Scalar]
    score: float | None = None

    @property
    def place(self) -> Place:
        """Give it to `page` for those that come after it."""
        return Place(self.saved_at, self.id)


class BrowsableMemory(LongTermMemory, Protocol):
    """A long-term memory that can say what it holds. Raises as that does."""

    async def keep(self, namespace: Namespace, entry: MemoryEntry) -> tuple[KeptEntry, bool]:
        """As `add` does: what is remembered then, and whether it is new."""
        ...

    async def entry(self, tenant: str, entry_id: str) -> KeptEntry | None:
        """The entry of that id, if it is one of this tenant's."""
        ...

    async def page(
        self,
        scope: Scope,
        *,
        limit: int = 50,
        before: Place | None = None,
        where: Where | None = None,
    ) -> tuple[KeptEntry, ...]:
        """The newest entries, or the newest of those that come after `before`; newest first."""
        ...

    async def find(
        self, scope: Scope, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[KeptEntry, ...]:
        """The `k` entries most like the query, best first, wherever in the scope they are."""
        ...

    async def forget_in(self, scope: Scope, ids: Sequence[str] | None = None) -> int:
        """Forget these entries, or everything, in the scope; how many there were."""
        ...
