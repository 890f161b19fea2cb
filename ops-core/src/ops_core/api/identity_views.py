"""What clients see of keys, tenants and the audit log."""

from typing import Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.identity.audit import AuditRecord, Outcome
from ops_core.identity.key_service import ToldKey
from ops_core.identity.keys import ApiKey
from ops_core.identity.ports import AuditPage, KeyPage, TenantPage
from ops_core.identity.tenant_service import FoundedTenant
from ops_core.identity.tenants import Tenant


class ApiKeyView(BaseModel):
    """A key: everything but the secret."""

    key_id: str
    name: str
    scopes: list[str]
    requests_per_minute: int | None
    burst: int | None
    created_at: Time
    created_by: str
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None = Field(description="Some seconds old.")
    previous_until: Time | None = Field(
        description="Until when the secret before the last rotation is good as well."
    )

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            key_id=key.key_id,
            name=key.name,
            scopes=sorted(key.scopes),
            requests_per_minute=key.rate.per_minute if key.rate else None,
            burst=key.rate.burst if key.rate else None,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            previous_until=key.previous_until,
        )


class ToldKeyView(BaseModel):
    """A key with its secret."""

    api_key: ApiKeyView
    secret: str = Field(
        description="What to send as `Authorization: Bearer …`. It is told this once.",
        examples=["osk_0123456789abcdef_…"],
    )

    @classmethod
    def of(cls, told: ToldKey) -> Self:
        return cls(api_key=ApiKeyView.of(told.key), secret=str(told.text))


class ApiKeyPageView(BaseModel):
    """Keys, newest first."""

    api_keys: list[ApiKeyView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: KeyPage) -> Self:
        return cls(api_keys=[ApiKeyView.of(key) for key in page.keys], next_cursor=page.next_cursor)


class TenantView(BaseModel):
    """A tenant."""

    tenant_id: str
    name: str
    created_at: Time
    disabled_at: Time | None

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        return cls(
            tenant_id=tenant.tenant_id,
            name=tenant.name,
            created_at=tenant.created_at,
            disabled_at=tenant.disabled_at,
        )


class TenantLimitsView(BaseModel):
    """What a tenant may have under way."""

    tenant_id: str
    max_unfinished_tasks: int | None = Field(description="Null: as many as the settings say.")

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        return cls(tenant_id=tenant.tenant_id, max_unfinished_tasks=tenant.max_unfinished)


class FoundedTenantView(BaseModel):
    """A new tenant, with the key that its administrator begins with."""

    tenant: TenantView
    key_id: str
    secret: str = Field(description="The key, with the scope `admin`. It is told this once.")

    @classmethod
    def of(cls, founded: FoundedTenant) -> Self:
        return cls(
            tenant=TenantView.of(founded.tenant),
            key_id=founded.key_id,
            secret=str(founded.text),
        )


class TenantPageView(BaseModel):
    """Tenants, newest first."""

    tenants: list[TenantView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: TenantPage) -> Self:
        tenants = [TenantView.of(tenant) for tenant in page.tenants]
        return cls(tenants=tenants, next_cursor=page.next_cursor)


class AuditRecordView(BaseModel):
    """Who was let in to do what, or was not."""

    audit_id: str
    at: Time
    subject: str = Field(examples=["key_0123456789abcdef"])
    action: str = Field(examples=["cancel_task"])
    object: str = Field(examples=["task_…"])
    outcome: Outcome
    reason: str | None = Field(description="The type of the error; only when it was denied.")
    request_id: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        entry = record.entry
        return cls(
            audit_id=record.audit_id,
            at=record.at,
            subject=entry.subject,
            action=entry.action,
            object=entry.object,
            outcome=entry.outcome,
            reason=entry.reason,
            request_id=entry.request_id,
        )


class AuditPageView(BaseModel):
    """Lines of the audit log, newest first."""

    records: list[AuditRecordView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: AuditPage) -> Self:
        records = [AuditRecordView.of(record) for record in page.records]
        return cls(records=records, next_cursor=page.next_cursor)
