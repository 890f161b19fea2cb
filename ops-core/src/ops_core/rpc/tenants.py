"""`TenantService` of identity.proto: each method one call of the service."""

from ops_core.identity.tenant_service import TenantService
from ops_core.rpc.admission import Context, principal, request_id_of
from ops_core.rpc.identity_convert import (
    limits_message,
    limits_request,
    list_query,
    tenant_message,
    tenant_request,
)
from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc


class Tenants(identity_pb2_grpc.TenantServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: TenantService) -> None:
        self._service = service

    async def CreateTenant(  # noqa: N802  # the names are the contract's
        self, request: identity_pb2.CreateTenantRequest, context: Context
    ) -> identity_pb2.CreateTenantResponse:
        founded = await self._service.create(
            tenant_request(request), by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.CreateTenantResponse(
            tenant=tenant_message(founded.tenant), key_id=founded.key_id, secret=str(founded.text)
        )

    async def ListTenants(  # noqa: N802
        self, request: identity_pb2.ListTenantsRequest, context: Context
    ) -> identity_pb2.ListTenantsResponse:
        query = list_query(request)
        page = await self._service.page(
            by=principal(context), limit=query.limit, cursor=query.cursor
        )
        return identity_pb2.ListTenantsResponse(
            tenants=[tenant_message(tenant) for tenant in page.tenants],
            next_cursor=page.next_cursor,
        )

    async def DisableTenant(  # noqa: N802
        self, request: identity_pb2.DisableTenantRequest, context: Context
    ) -> identity_pb2.DisableTenantResponse:
        tenant = await self._service.disable(
            request.tenant_id, by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.DisableTenantResponse(tenant=tenant_message(tenant))

    async def EnableTenant(  # noqa: N802
        self, request: identity_pb2.EnableTenantRequest, context: Context
    ) -> identity_pb2.EnableTenantResponse:
        tenant = await self._service.enable(
            request.tenant_id, by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.EnableTenantResponse(tenant=tenant_message(tenant))

    async def GetTenantLimits(  # noqa: N802
        self, request: identity_pb2.GetTenantLimitsRequest, context: Context
    ) -> identity_pb2.GetTenantLimitsResponse:
        tenant = await self._service.get(request.tenant_id, by=principal(context))
        return identity_pb2.GetTenantLimitsResponse(limits=limits_message(tenant))

    async def PutTenantLimits(  # noqa: N802
        self, request: identity_pb2.PutTenantLimitsRequest, context: Context
    ) -> identity_pb2.PutTenantLimitsResponse:
        tenant = await self._service.limit(
            request.tenant_id,
            limits_request(request),
            by=principal(context),
            request_id=request_id_of(context),
        )
        return identity_pb2.PutTenantLimitsResponse(limits=limits_message(tenant))

    async def DeleteTenantLimits(  # noqa: N802
        self, request: identity_pb2.DeleteTenantLimitsRequest, context: Context
    ) -> identity_pb2.DeleteTenantLimitsResponse:
        await self._service.unlimit(
            request.tenant_id, by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.DeleteTenantLimitsResponse()
