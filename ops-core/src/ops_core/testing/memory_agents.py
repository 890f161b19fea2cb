"""Agents in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ops_core.agents.port import AgentPage, AgentVersion, NewVersion
from ops_core.agents.reference import AgentRef
from ops_core.errors import AgentExists, AgentNotFound
from ops_core.testing.memory_pages import page_of


@dataclass
class StoredAgent:
    """An agent and its versions, the first one first."""

    created_at: datetime
    digest: str = ""
    archived_at: datetime | None = None
    versions: list[AgentVersion] = field(default_factory=list)


class MemoryAgentStore:
    """`AgentStore` over a dictionary."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._agents: dict[tuple[str, str], StoredAgent] = {}

    async def put(self, new: NewVersion, *, only_first: bool = False) -> tuple[AgentVersion, bool]:
        key = (new.tenant_id, new.name)
        agent = self._agents.get(key)
        if agent is not None and agent.digest == new.digest and agent.archived_at is None:
            return agent.versions[-1], False
        if only_first and agent is not None:
            raise AgentExists(new.name)
        agent = self._agents.setdefault(key, StoredAgent(self._clock()))
        version = AgentVersion(
            tenant_id=new.tenant_id,
            name=new.name,
            version=len(agent.versions) + 1,
            definition=new.definition,
            created_at=self._clock(),
            created_by=new.created_by,
        )
        agent.versions.append(version)
        agent.digest, agent.archived_at = new.digest, None
        return version, True

    async def get(self, tenant_id: str, ref: AgentRef) -> AgentVersion:
        found = self.version(tenant_id, ref)
        if found is None:
            raise AgentNotFound(str(ref))
        return found

    async def find(self, tenant_id: str, refs: Sequence[AgentRef]) -> dict[AgentRef, AgentVersion]:
        found = {ref: self.version(tenant_id, ref) for ref in refs}
        return {
            ref: agent
            for ref, agent in found.items()
            if agent is not None and (ref.version is not None or agent.archived_at is None)
        }

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> AgentPage:
        agents = {
            name: (agent.created_at, name)
            for (tenant, name), agent in self._agents.items()
            if tenant == tenant_id and (agent.archived_at is not None) == archived
        }
        names, next_cursor = page_of(agents, limit, cursor)
        return AgentPage([self._newest(tenant_id, name) for name in names], next_cursor)

    async def versions(
        self, tenant_id: str, name: str, *, limit: int, cursor: str | None
    ) -> AgentPage:
        agent = self._agents.get((tenant_id, name))
        if agent is None:
            raise AgentNotFound(name)
        numbers, next_cursor = page_of(
            {str(v.version): v.version for v in agent.versions}, limit, cursor
        )
        found = [agent.versions[int(number) - 1] for number in numbers]
        return AgentPage([replace(v, archived_at=agent.archived_at) for v in found], next_cursor)

    async def archive(self, tenant_id: str, name: str) -> AgentVersion:
        agent = self._agents.get((tenant_id, name))
        if agent is None:
            raise AgentNotFound(name)
        agent.archived_at = agent.archived_at or self._clock()
        return self._newest(tenant_id, name)

    def version(self, tenant_id: str, ref: AgentRef) -> AgentVersion | None:
        agent = self._agents.get((tenant_id, ref.name))
        if agent is None or not 0 < (ref.version or 1) <= len(agent.versions):
            return None
        return replace(agent.versions[(ref.version or 0) - 1], archived_at=agent.archived_at)

    def _newest(self, tenant_id: str, name: str) -> AgentVersion:
        found = self.version(tenant_id, AgentRef(name))
        assert found is not None, "an agent has a version"
        return found
