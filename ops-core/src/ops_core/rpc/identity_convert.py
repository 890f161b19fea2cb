"""Keys, tenants and the audit log: between messages and values."""

from typing import Any

from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.bodies import parsed
from ops_core.identity.audit import AuditRecord
from ops_core.identity.keys import ApiKey
from ops_core.identity.requests import (
    ApiKeyRequest,
    RotationRequest,
    TenantLimitsRequest,
    TenantRequest,
)
from ops_core.identity.tenants import Tenant
from ops_core.query import AuditQuery, PageQuery
from ops_core.request import invalid
from ops_core.rpc.convert import from_timestamp
from ops_core.rpc.v1 import identity_pb2


def key_request(message: identity_pb2.CreateApiKeyRequest) -> ApiKeyRequest:
    """Raises `InvalidRequest` naming each wrong field."""
    data = _set(message)
    data["scopes"] = list(message.scopes)
    if message.HasField("expires_at"):
        data["expires_at"] = from_timestamp("expires_at", message.expires_at).isoformat()
    return parsed(ApiKeyRequest, data)


def rotation(message: identity_pb2.RotateApiKeyRequest) -> RotationRequest:
    """Raises `InvalidRequest`."""
    return parsed(RotationRequest, {"grace_s": message.grace_s})


def tenant_request(message: identity_pb2.CreateTenantRequest) -> TenantRequest:
    """Raises `InvalidRequest` naming each wrong field."""
    return parsed(TenantRequest, _set(message))


def list_query(message: Message) -> PageQuery:
    """Raises `InvalidRequest` naming each wrong field."""
    try:
        return PageQuery.model_validate(_set(message))
    except ValidationError as error:
        raise invalid(error) from None


def audit_query(message: identity_pb2.ListAuditRequest) -> AuditQuery:
    """Raises `InvalidRequest` naming each wrong field."""
    try:
        return AuditQuery.model_validate(_set(message))
    except ValidationError as error:
        raise invalid(error) from None


def key_message(key: ApiKey) -> identity_pb2.ApiKey:
    return identity_pb2.ApiKey(
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


def tenant_message(tenant: Tenant) -> identity_pb2.Tenant:
    return identity_pb2.Tenant(
        tenant_id=tenant.tenant_id,
        name=tenant.name,
        created_at=tenant.created_at,
        disabled_at=tenant.disabled_at,
    )


def limits_message(tenant: Tenant) -> identity_pb2.TenantLimits:
    return identity_pb2.TenantLimits(
        tenant_id=tenant.tenant_id, max_unfinished_tasks=tenant.max_unfinished
    )


def limits_request(request: identity_pb2.PutTenantLimitsRequest) -> TenantLimitsRequest:
    """Raises `InvalidRequest`."""
    asked = {name: value for name, value in _set(request).items() if name != "tenant_id"}
    return parsed(TenantLimitsRequest, asked)


def record_message(record: AuditRecord) -> identity_pb2.AuditRecord:
    entry = record.entry
    return identity_pb2.AuditRecord(
        audit_id=record.audit_id,
        at=record.at,
        subject=entry.subject,
        action=entry.action,
        object=entry.object,
        outcome=f"AUDIT_OUTCOME_{entry.outcome.upper()}",
        reason=entry.reason,
        request_id=entry.request_id,
    )


def _set(message: Message) -> dict[str, Any]:
    """The fields that are set and mean the same as JSON."""
    return {field.name: value for field, value in message.ListFields()}
