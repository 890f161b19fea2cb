"""A guard over the fakes of its ports."""

from collections.abc import Mapping
from typing import Any

from ops_core.errors import NotAuthenticated, StoreUnavailable
from ops_core.identity.authenticator import Authenticator, Identity
from ops_core.identity.gate import Attempt
from ops_core.identity.guard import Guard
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.keys import KeyText, Rate
from ops_core.identity.ports import KeyPlace
from ops_core.identity.rates import RateLimits
from ops_core.identity.requests import ApiKeyRequest
from ops_core.principal import Principal
from ops_core.scopes import Scope
from ops_core.testing import MemoryAuditStore, MemoryCredentialStore, MemoryIdentity, MemoryKeyStore

ROOT = Principal(tenant_id="default", subject="root", scopes=frozenset({Scope.ADMIN}))


class Tokens:
    """A provider whose only token is `good`."""

    async def read(self, token: str) -> Identity:
        if token != "good":
            raise NotAuthenticated("This token is not good.")
        scopes = frozenset({Scope.TASKS_READ})
        return Identity(
            Principal(tenant_id="default", subject="user:ada", scopes=scopes),
            None,
        )


class CountingCredentials(MemoryCredentialStore):
    """Counts what it is asked; away while `is_away`."""

    asked = 0
    is_away = False

    async def credential(self, key_id: str) -> Any:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("gone")
        return await super().credential(key_id)

    async def note_uses(self, uses: Mapping[KeyPlace, float]) -> None:
        if self.is_away:
            raise StoreUnavailable("gone")
        await super().note_uses(uses)


class House:
    """A guard, with what it stands on."""

    def __init__(self, rate: Rate | None = None) -> None:
        self.now = 1000.0
        self.state = MemoryIdentity()
        self.credentials = CountingCredentials(self.state)
        self.keys = ApiKeyService(MemoryKeyStore(self.state))
        self.authenticator = Authenticator(self.credentials, Tokens(), clock=lambda: self.now)
        self.guard = Guard(
            self.authenticator,
            MemoryAuditStore(self.state),
            rate=rate,
            limits=RateLimits(lambda: self.now),
        )

    async def key(self, *scopes: Scope, **fields: Any) -> KeyText:
        asked = ApiKeyRequest(name="k", scopes=list(scopes or [Scope.ADMIN]), **fields)
        return (await self.keys.create(asked, by=ROOT, request_id="r")).text

    async def admit(self, sent: object, operation: str = "get_task") -> Principal:
        authorization = None if sent is None else f"Bearer {sent}"
        return await self.guard.admit(
            Attempt(operation=operation, authorization=authorization, request_id="r")
        )

    def denied(self) -> list[tuple[str, str | None]]:
        entries = [record.entry for record in self.state.records]
        return [(e.subject, e.reason) for e in entries if e.outcome == "denied"]
