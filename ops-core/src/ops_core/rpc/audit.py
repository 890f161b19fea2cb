"""`AuditService` of identity.proto."""

from ops_core.identity.audit_service import AuditService
from ops_core.rpc.admission import Context, principal
from ops_core.rpc.identity_convert import audit_query, record_message
from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc


class Audit(identity_pb2_grpc.AuditServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: AuditService) -> None:
        self._service = service

    async def ListAudit(  # noqa: N802  # the name is the contract's
        self, request: identity_pb2.ListAuditRequest, context: Context
    ) -> identity_pb2.ListAuditResponse:
        query = audit_query(request)
        page = await self._service.page(
            query.where(),
            tenant_id=principal(context).tenant_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return identity_pb2.ListAuditResponse(
            records=[record_message(record) for record in page.records],
            next_cursor=page.next_cursor,
        )
