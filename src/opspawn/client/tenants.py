"""Tenants, for whoever operates the server: what it says of them, and the calls."""

from datetime import datetime

from pydantic import SecretStr

from opspawn.client.call import Call, Json, forget, get, post, put, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class Tenant(View):
    """Whom tasks, keys and all else belong to."""

    tenant_id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None = None


class FoundedTenant(View):
    """A new tenant and the key of its administrator: `secret.get_secret_value()`, this once."""

    tenant: Tenant
    key_id: str
    secret: SecretStr


class TenantLimits(View):
    """What a tenant may have under way; None: what the server's settings say."""

    tenant_id: str
    max_unfinished_tasks: int | None = None


def create(tenant_id: str, name: str) -> Call[FoundedTenant]:
    # A second one would be refused, and the key of the first told to nobody.
    body = {"tenant_id": tenant_id, "name": name}
    return post("/tenants", FoundedTenant.model_validate, body, repeatable=False)


def tenants(where: Json) -> Call[Page[Tenant]]:
    return get("/tenants", page_of("tenants", Tenant), **where)


def disable(tenant_id: str) -> Call[Tenant]:
    return post(f"{_path(tenant_id)}/disable", Tenant.model_validate)


def enable(tenant_id: str) -> Call[Tenant]:
    return post(f"{_path(tenant_id)}/enable", Tenant.model_validate)


def limits(tenant_id: str) -> Call[TenantLimits]:
    return get(f"{_path(tenant_id)}/limits", TenantLimits.model_validate)


def put_limits(tenant_id: str, max_unfinished_tasks: int) -> Call[TenantLimits]:
    body = {"max_unfinished_tasks": max_unfinished_tasks}
    return put(f"{_path(tenant_id)}/limits", TenantLimits.model_validate, body)


def remove_limits(tenant_id: str) -> Call[None]:
    return forget(f"{_path(tenant_id)}/limits")


def _path(tenant_id: str) -> str:
    return f"/tenants/{segment(tenant_id)}"
