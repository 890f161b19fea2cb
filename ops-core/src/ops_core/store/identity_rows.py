"""Between rows and values of identity. What a newer build has added to a row is passed over."""

from collections.abc import Iterable
from typing import Any

from ops_core.identity.audit import AuditEntry, AuditRecord
from ops_core.identity.keys import ApiKey, Credential, NewApiKey, Rate
from ops_core.identity.tenants import Tenant
from ops_core.scopes import Scope
from ops_core.store.rows import Row


def key_of(row: Row) -> ApiKey:
    return ApiKey(
        tenant_id=row.tenant_id,
        key_id=row.key_id,
        name=row.name,
        scopes=_scopes(row.scopes),
        rate=_rate(row),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        previous_until=row.previous_until,
    )


def credential_of(row: Row) -> Credential:
    return Credential(
        tenant_id=row.tenant_id,
        key_id=row.key_id,
        scopes=_scopes(row.scopes),
        rate=_rate(row),
        hashes=tuple(bytes(found) for found in row.hashes if found is not None),
        refusal=row.refusal,
    )


def tenant_of(row: Row) -> Tenant:
    return Tenant(
        tenant_id=row.tenant_id,
        name=row.name,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        max_unfinished=row.max_unfinished,
    )


def record_of(row: Row) -> AuditRecord:
    entry = AuditEntry(
        tenant_id=row.tenant_id,
        subject=row.subject,
        action=row.action,
        object=row.object,
        request_id=row.request_id,
        outcome=row.outcome,
        reason=row.reason,
    )
    return AuditRecord(audit_id=row.audit_id, at=row.at, entry=entry)


def key_parameters(new: NewApiKey) -> dict[str, Any]:
    return {
        "tenant_id": new.tenant_id,
        "key_id": new.key_id,
        "name": new.name,
        "scopes": sorted(new.scopes),
        "secret_hash": new.secret_hash,
        "created_by": new.created_by,
        "requests_per_minute": new.rate.per_minute if new.rate else None,
        "burst": new.rate.burst if new.rate else None,
        "expires_at": new.expires_at,
    }


def _scopes(names: Iterable[str]) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for name in names if name in known)


def _rate(row: Row) -> Rate | None:
    if row.requests_per_minute is None:
        return None
    return Rate(row.requests_per_minute, row.burst)
