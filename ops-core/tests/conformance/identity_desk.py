"""The stores of identity over one state, and what tests put into them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ops_core.identity.audit import AuditEntry
from ops_core.identity.keys import ApiKey, KeyText, NewApiKey, digest, new_key_text
from ops_core.identity.ports import AuditFilter, AuditStore, CredentialStore, KeyStore, TenantStore
from ops_core.scopes import Scope


@dataclass
class Desk:
    """The stores of identity, over one state, and their clock."""

    credentials: CredentialStore
    keys: KeyStore
    tenants: TenantStore
    audit: AuditStore
    advance: Callable[[float], None]

    async def key(self, tenant_id: str = "default", **fields: object) -> tuple[ApiKey, KeyText]:
        text = new_key_text()
        new = replace(new_key(tenant_id, text), **fields)  # type: ignore[arg-type]
        return await self.keys.create(new, entry("create_api_key", text.key_id, tenant_id)), text

    async def tenant(self, tenant_id: str) -> KeyText:
        text = new_key_text()
        told = entry("create_tenant", tenant_id)
        await self.tenants.create(tenant_id, tenant_id.title(), new_key(tenant_id, text), told)
        return text

    async def refusal(self, key_id: str) -> str | None:
        credential = await self.credentials.credential(key_id)
        assert credential is not None
        return credential.refusal

    async def opens(self, text: KeyText) -> bool:
        credential = await self.credentials.credential(text.key_id)
        return credential is not None and credential.fits(text.secret)

    async def actions(self, tenant_id: str = "default") -> list[tuple[str, str]]:
        page = await self.audit.page(tenant_id, AuditFilter(), limit=50, cursor=None)
        return [(record.entry.action, record.entry.object) for record in page.records]


def new_key(tenant_id: str, text: KeyText) -> NewApiKey:
    return NewApiKey(
        tenant_id=tenant_id,
        key_id=text.key_id,
        name="a name",
        scopes=frozenset({Scope.TASKS_READ, Scope.KEYS_ADMIN}),
        secret_hash=digest(text.secret),
        created_by="key_0000000000000000",
    )


def entry(action: str, object_: str = "", tenant_id: str = "default") -> AuditEntry:
    return AuditEntry(
        tenant_id=tenant_id, subject="me", action=action, object=object_, request_id="r1"
    )
