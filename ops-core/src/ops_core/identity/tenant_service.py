"""All tenants as a door sees them: for the operator."""

from dataclasses import dataclass, field

from ops_core.errors import FieldError, InvalidRequest, TenantNotFound
from ops_core.identity.audit import change_of
from ops_core.identity.keys import KeyText, NewApiKey, digest, new_key_text
from ops_core.identity.ports import TenantPage, TenantStore
from ops_core.identity.requests import TenantLimitsRequest, TenantRequest
from ops_core.identity.tenants import OPERATOR, Tenant, is_tenant_id, refuse_guests
from ops_core.principal import Principal
from ops_core.scopes import Scope


@dataclass(frozen=True, slots=True)
class FoundedTenant:
    """A new tenant, and the key with which its own administrator begins."""

    tenant: Tenant
    key_id: str
    text: KeyText = field(repr=False)


class TenantService:
    """All tenants: for callers of the operator's own."""

    def __init__(self, store: TenantStore) -> None:
        self._store = store

    async def create(
        self, asked: TenantRequest, *, by: Principal, request_id: str
    ) -> FoundedTenant:
        """Raises `TenantExists`."""
        refuse_guests(by, Scope.TENANTS_ADMIN)
        text = new_key_text()
        first = NewApiKey(
            tenant_id=asked.tenant_id,
            key_id=text.key_id,
            name="first key",
            scopes=frozenset({Scope.ADMIN}),
            secret_hash=digest(text.secret),
            created_by=by.subject,
        )
        entry = change_of(by, "create_tenant", asked.tenant_id, request_id)
        tenant = await self._store.create(asked.tenant_id, asked.name, first, entry)
        return FoundedTenant(tenant, text.key_id, text)

    async def page(self, *, by: Principal, limit: int, cursor: str | None) -> TenantPage:
        """Newest first. Raises `InvalidRequest`."""
        refuse_guests(by, Scope.TENANTS_ADMIN)
        return await self._store.page(limit=limit, cursor=cursor)

    async def disable(self, tenant_id: str, *, by: Principal, request_id: str) -> Tenant:
        """Raises `TenantNotFound`, or `InvalidRequest` for the operator's own."""
        refuse_guests(by, Scope.TENANTS_ADMIN)
        _check_tenant(tenant_id)
        if tenant_id == OPERATOR:
            message = f"is the operator's own ({OPERATOR}): nobody could enable it again"
            raise InvalidRequest([FieldError("tenant_id", message)])
        entry = change_of(by, "disable_tenant", tenant_id, request_id)
        return await self._store.disable(tenant_id, entry)

    async def enable(self, tenant_id: str, *, by: Principal, request_id: str) -> Tenant:
        """Raises `TenantNotFound`."""
        refuse_guests(by, Scope.TENANTS_ADMIN)
        _check_tenant(tenant_id)
        entry = change_of(by, "enable_tenant", tenant_id, request_id)
        return await self._store.enable(tenant_id, entry)

    async def get(self, tenant_id: str, *, by: Principal) -> Tenant:
        """Raises `TenantNotFound`."""
        refuse_guests(by, Scope.TENANTS_ADMIN)
        _check_tenant(tenant_id)
        return await self._store.get(tenant_id)

    async def limit(
        self, tenant_id: str, asked: TenantLimitsRequest, *, by: Principal, request_id: str
    ) -> Tenant:
        """What it may have under way from now on. Raises `TenantNotFound`."""
        most = asked.max_unfinished_tasks
        return await self._limit(tenant_id, "put_tenant_limits", most, by, request_id)

    async def unlimit(self, tenant_id: str, *, by: Principal, request_id: str) -> Tenant:
        """It has the limits of the settings again. Raises `TenantNotFound`."""
        return await self._limit(tenant_id, "delete_tenant_limits", None, by, request_id)

    async def _limit(
        self, tenant_id: str, action: str, most: int | None, by: Principal, request_id: str
    ) -> Tenant:
        refuse_guests(by, Scope.TENANTS_ADMIN)
        _check_tenant(tenant_id)
        entry = change_of(by, action, tenant_id, request_id)
        return await self._store.limit(tenant_id, most, entry)


def _check_tenant(tenant_id: str) -> None:
    """Raises `TenantNotFound` for what no store could hold."""
    if not is_tenant_id(tenant_id):
        raise TenantNotFound(tenant_id)
