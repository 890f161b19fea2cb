"""Keys, tenants and the audit log in memory: the fakes of identity's ports, over one state."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ops_core.errors import ApiKeyNotFound, ApiKeyRevoked, TenantExists, TenantNotFound
from ops_core.identity.audit import AuditEntry, AuditRecord, new_audit_id
from ops_core.identity.keys import EXPIRED, PAST, ApiKey, Credential, NewApiKey, refuse_expired
from ops_core.identity.ports import AuditFilter, AuditPage, KeyPage, KeyPlace, TenantPage
from ops_core.identity.tenants import OPERATOR, Tenant
from ops_core.testing.pages import page_of


@dataclass
class _StoredKey:
    key: ApiKey
    secret_hash: bytes
    previous_hash: bytes | None = None


@dataclass
class MemoryIdentity:
    """The tables, as dictionaries. The stores below share it."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    keys: dict[str, _StoredKey] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tenants[OPERATOR] = Tenant(
            tenant_id=OPERATOR, name="Default", created_at=self.clock(), disabled_at=None
        )

    def record(self, entry: AuditEntry) -> None:
        self.records.append(AuditRecord(audit_id=new_audit_id(), at=self.clock(), entry=entry))

    def insert(self, new: NewApiKey) -> ApiKey:
        key = ApiKey(
            tenant_id=new.tenant_id,
            key_id=new.key_id,
            name=new.name,
            scopes=new.scopes,
            rate=new.rate,
            created_at=self.clock(),
            created_by=new.created_by,
            expires_at=new.expires_at,
            revoked_at=None,
            last_used_at=None,
            previous_until=None,
        )
        self.keys[new.key_id] = _StoredKey(key, new.secret_hash)
        return key

    def find(self, tenant_id: str, key_id: str) -> _StoredKey:
        stored = self.keys.get(key_id)
        if stored is None or stored.key.tenant_id != tenant_id:
            raise ApiKeyNotFound(key_id)
        return stored


class MemoryCredentialStore:
    """`CredentialStore` in memory."""

    def __init__(self, state: MemoryIdentity) -> None:
        self._state = state

    async def credential(self, key_id: str) -> Credential | None:
        stored = self._state.keys.get(key_id)
        if stored is None:
            return None
        key, now = stored.key, self._state.clock()
        hashes = [stored.secret_hash]
        if stored.previous_hash and key.previous_until and key.previous_until > now:
            hashes.append(stored.previous_hash)
        return Credential(
            tenant_id=key.tenant_id,
            key_id=key.key_id,
            scopes=key.scopes,
            rate=key.rate,
            hashes=tuple(hashes),
            refusal=_refusal(key, self._state.tenants[key.tenant_id], now),
        )

    async def is_open(self, tenant_id: str) -> bool:
        tenant = self._state.tenants.get(tenant_id)
        return tenant is not None and tenant.disabled_at is None

    async def note_uses(self, uses: Mapping[KeyPlace, float]) -> None:
        for place, ago_s in uses.items():
            stored = self._state.find(*place)
            at = self._state.clock() - timedelta(seconds=ago_s)
            stored.key = replace(stored.key, last_used_at=_later(stored.key.last_used_at, at))

    async def has_keys(self) -> bool:
        keys: Iterable[ApiKey] = (stored.key for stored in self._state.keys.values())
        now = self._state.clock()
        return any(key.revoked_at is None and not _is_over(key.expires_at, now) for key in keys)


class MemoryKeyStore:
    """`KeyStore` in memory."""

    def __init__(self, state: MemoryIdentity) -> None:
        self._state = state

    async def create(self, new: NewApiKey, entry: AuditEntry) -> ApiKey:
        if new.tenant_id not in self._state.tenants:
            raise TenantNotFound(new.tenant_id)
        if _is_over(new.expires_at, self._state.clock()):
            refuse_expired(PAST)
        self._state.record(entry)
        return self._state.insert(new)

    async def get(self, tenant_id: str, key_id: str) -> ApiKey:
        return self._state.find(tenant_id, key_id).key

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> KeyPage:
        keys = [s.key for s in self._state.keys.values() if s.key.tenant_id == tenant_id]
        found = page_of(keys, lambda key: (key.created_at, key.key_id), limit, cursor)
        return KeyPage(*found)

    async def rotate(
        self, tenant_id: str, key_id: str, secret_hash: bytes, grace_s: float, entry: AuditEntry
    ) -> ApiKey:
        stored = self._state.find(tenant_id, key_id)
        if stored.key.revoked_at is not None:
            raise ApiKeyRevoked(key_id)
        if _is_over(stored.key.expires_at, self._state.clock()):
            refuse_expired(EXPIRED)
        until = self._state.clock() + timedelta(seconds=grace_s) if grace_s > 0 else None
        stored.previous_hash = stored.secret_hash if grace_s > 0 else None
        stored.secret_hash = secret_hash
        stored.key = replace(stored.key, previous_until=until)
        self._state.record(entry)
        return stored.key

    async def revoke(self, tenant_id: str, key_id: str, entry: AuditEntry) -> ApiKey:
        stored = self._state.find(tenant_id, key_id)
        revoked_at = stored.key.revoked_at or self._state.clock()
        stored.key = replace(stored.key, revoked_at=revoked_at)
        self._state.record(entry)
        return stored.key


class MemoryTenantStore:
    """`TenantStore` in memory. `own_limits`: of the store of tasks, which asks them at each submit."""

    def __init__(self, state: MemoryIdentity, own_limits: dict[str, int] | None = None) -> None:
        self._state = state
        self._own_limits = {} if own_limits is None else own_limits

    async def create(
        self, tenant_id: str, name: str, first: NewApiKey, entry: AuditEntry
    ) -> Tenant:
        if tenant_id in self._state.tenants:
            raise TenantExists(tenant_id)
        tenant = Tenant(
            tenant_id=tenant_id, name=name, created_at=self._state.clock(), disabled_at=None
        )
        self._state.tenants[tenant_id] = tenant
        self._state.insert(first)
        self._state.record(entry)
        return tenant

    async def page(self, *, limit: int, cursor: str | None) -> TenantPage:
        tenants = list(self._state.tenants.values())
        return TenantPage(*page_of(tenants, lambda t: (t.created_at, t.tenant_id), limit, cursor))

    async def disable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        return self._change(tenant_id, entry, self._state.clock())

    async def enable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        return self._change(tenant_id, entry, None)

    async def get(self, tenant_id: str) -> Tenant:
        tenant = self._state.tenants.get(tenant_id)
        if tenant is None:
            raise TenantNotFound(tenant_id)
        return tenant

    async def limit(self, tenant_id: str, max_unfinished: int | None, entry: AuditEntry) -> Tenant:
        changed = replace(await self.get(tenant_id), max_unfinished=max_unfinished)
        self._state.tenants[tenant_id] = changed
        self._state.record(entry)
        self._own_limits.pop(tenant_id, None)
        if max_unfinished is not None:
            self._own_limits[tenant_id] = max_unfinished
        return changed

    def _change(self, tenant_id: str, entry: AuditEntry, at: datetime | None) -> Tenant:
        tenant = self._state.tenants.get(tenant_id)
        if tenant is None:
            raise TenantNotFound(tenant_id)
        changed = replace(tenant, disabled_at=at and (tenant.disabled_at or at))
        self._state.tenants[tenant_id] = changed
        self._state.record(entry)
        return changed


class MemoryAuditStore:
    """`AuditStore` in memory."""

    def __init__(self, state: MemoryIdentity) -> None:
        self._state = state

    async def write(self, entry: AuditEntry) -> None:
        self._state.record(entry)

    async def page(
        self, tenant_id: str, where: AuditFilter, *, limit: int, cursor: str | None
    ) -> AuditPage:
        wanted = {"subject": where.subject, "action": where.action, "object": where.object}
        records = [
            record
            for record in self._state.records
            if record.entry.tenant_id == tenant_id
            and all(value in {None, getattr(record.entry, name)} for name, value in wanted.items())
        ]
        return AuditPage(*page_of(records, lambda r: (r.at, r.audit_id), limit, cursor))

    async def prune(self, older_than_s: float, limit: int) -> int:
        before = self._state.clock() - timedelta(seconds=older_than_s)
        old = sorted((r for r in self._state.records if r.at < before), key=lambda r: r.at)[:limit]
        gone = {record.audit_id for record in old}
        self._state.records = [r for r in self._state.records if r.audit_id not in gone]
        return len(old)


def _refusal(key: ApiKey, tenant: Tenant, now: datetime) -> str | None:
    if key.revoked_at is not None:
        return "was revoked"
    if _is_over(key.expires_at, now):
        return "has expired"
    if tenant.disabled_at is not None:
        return "belongs to a tenant that is disabled"
    return None


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None or at > known else known
