"""What can be done with agents. Every door, and the files of an operator, go through it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ops_core.agents.checking import DefinitionCheck
from ops_core.agents.pins import handed_over_to
from ops_core.agents.port import AgentPage, AgentStore, AgentVersion, NewVersion
from ops_core.agents.reference import DEFAULT_AGENT, MAX_VERSION, AgentRef
from ops_core.agents.request import AgentRequest, VersionRequest
from ops_core.errors import AgentNotFound, FieldError, InvalidRequest
from ops_core.ports import AgentKind
from ops_core.request import check_json

#: When the default agent was made: before everything.
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Saved:
    """A version, and whether this request is the one that stored it."""

    agent: AgentVersion
    created: bool


class AgentService:
    """Defines agents, and finds them. `kind` says what a definition may hold."""

    def __init__(self, store: AgentStore, kind: AgentKind) -> None:
        self._store = store
        self._check = DefinitionCheck(kind)

    async def create(self, request: AgentRequest, *, tenant_id: str, by: str) -> Saved:
        """Stores a new agent. Raises `InvalidRequest`, `AgentExists`, `StoreUnavailable`."""
        return await self._save(request.name, request, tenant_id, by, only_first=True)

    async def put(self, name: str, request: VersionRequest, *, tenant_id: str, by: str) -> Saved:
        """Stores the next version, or the first one; the same definition once more is the same version.

        Raises `InvalidRequest`, `StoreUnavailable`; then nothing was stored.
        """
        return await self._save(name, request, tenant_id, by, only_first=False)

    async def get(self, name: str, version: int | None = None, *, tenant_id: str) -> AgentVersion:
        """That version, or the newest one. Raises `AgentNotFound`."""
        check_json({"name": name})
        if name == DEFAULT_AGENT and version is None:
            return _default(tenant_id)
        if version is not None and not 1 <= version <= MAX_VERSION:
            raise AgentNotFound(f"{name}@{version}")
        return await self._store.get(tenant_id, AgentRef(name, version))

    async def list(
        self, *, tenant_id: str, archived: bool = False, limit: int = 50, cursor: str | None = None
    ) -> AgentPage:
        """One page of agents, each in its newest version; the default one is on none.

        Raises `InvalidRequest` for a wrong cursor.
        """
        return await self._store.page(tenant_id, archived=archived, limit=limit, cursor=cursor)

    async def versions(
        self, name: str, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> AgentPage:
        """One page of versions, newest first. Raises `AgentNotFound`, `InvalidRequest`."""
        check_json({"name": name})
        return await self._store.versions(tenant_id, name, limit=limit, cursor=cursor)

    async def archive(self, name: str, *, tenant_id: str) -> AgentVersion:
        """Takes the agent out of use for new tasks; the next version puts it back.

        Tasks that are tied to a version of it go on. Raises `AgentNotFound`, and `InvalidRequest` for the
        default one.
        """
        check_json({"name": name})
        if name == DEFAULT_AGENT:
            problem = "is the agent of the server's settings, which is always there"
            raise InvalidRequest([FieldError("name", problem)])
        return await self._store.archive(tenant_id, name)

    async def _save(
        self, name: str, request: VersionRequest, tenant_id: str, by: str, *, only_first: bool
    ) -> Saved:
        ref = AgentRef.parse(name, "name")
        if ref.version is not None:
            raise InvalidRequest(
                [FieldError("name", "must be without a version: it gets the next")]
            )
        definition, digest = request.checked()
        self._check(name, definition)
        await handed_over_to(self._store, tenant_id, name, definition, path="definition.handoffs")
        new = NewVersion(
            tenant_id=tenant_id, name=name, definition=definition, digest=digest, created_by=by
        )
        return Saved(*await self._store.put(new, only_first=only_first))


def _default(tenant_id: str) -> AgentVersion:
    return AgentVersion(
        tenant_id=tenant_id,
        name=DEFAULT_AGENT,
        version=1,
        definition={},
        created_at=_ALWAYS,
        created_by="opspawn",
    )
