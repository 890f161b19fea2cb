"""What is kept of agents, and the port of who keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops_core.agents.reference import AgentRef
from ops_core.task import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A definition that was checked, ready to be stored as the next version of its agent."""

    tenant_id: str
    name: str
    definition: JsonObject
    digest: str
    """SHA-256 of the canonical definition: two with one digest are the same."""

    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """One version of an agent, as it will stay."""

    tenant_id: str
    name: str
    version: int
    definition: JsonObject
    created_at: datetime
    created_by: str
    archived_at: datetime | None = None
    """Since when the agent, with all its versions, is found by its name no more."""

    @property
    def handoffs(self) -> Sequence[str]:
        """The agents that it may hand work over to, as it names them."""
        named: Sequence[str] = self.definition.get("handoffs", ())
        return named


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One page, newest first. `next_cursor` is None on the last page."""

    agents: list[AgentVersion]
    next_cursor: str | None


class AgentStore(Protocol):
    """Keeps the agents of every tenant; each call acts for one. Raises `StoreUnavailable`."""

    async def put(self, new: NewVersion, *, only_first: bool = False) -> tuple[AgentVersion, bool]:
        """Stores the next version of the agent, which is not archived any more.

        Returns it and True; or the newest version and False, when that says the same and is in use. Raises
        `AgentExists` when `only_first` and there is an agent of that name which says something else.
        """
        ...

    async def get(self, tenant_id: str, ref: AgentRef) -> AgentVersion:
        """That version, or the newest one, archived or not. Raises `AgentNotFound`."""
        ...

    async def find(self, tenant_id: str, refs: Sequence[AgentRef]) -> dict[AgentRef, AgentVersion]:
        """What there is of them for new tasks: a version that exists, the newest of an agent in use."""
        ...

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> AgentPage:
        """The newest version of each agent, the agents that were made last first.

        Raises `InvalidRequest` for a cursor that it did not give out.
        """
        ...

    async def versions(
        self, tenant_id: str, name: str, *, limit: int, cursor: str | None
    ) -> AgentPage:
        """The versions of an agent, newest first. Raises `AgentNotFound`, and as `page` does."""
        ...

    async def archive(self, tenant_id: str, name: str) -> AgentVersion:
        """Takes the agent out of use; once more changes nothing. Raises `AgentNotFound`."""
        ...
