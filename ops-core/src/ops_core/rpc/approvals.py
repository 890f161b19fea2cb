"""`ApprovalService` of approvals.proto: each method one call of a service."""

from typing import Any

import grpc.aio

from ops_core.errors import FieldError, InvalidRequest
from ops_core.rpc.ask_messages import (
    answer_reply,
    approval_message,
    approval_query,
    decision_reply,
    input_message,
    input_query,
    key_of,
    link_request,
)
from ops_core.rpc.calls import principal
from ops_core.rpc.v1 import approvals_pb2, approvals_pb2_grpc
from ops_core.services import Services

Context = grpc.aio.ServicerContext[Any, Any]


class Approvals(approvals_pb2_grpc.ApprovalServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, services: Services) -> None:
        self._approvals = services.approvals
        self._inputs = services.inputs
        self._links = services.links

    async def ListApprovals(  # noqa: N802  # the names are the contract's
        self, request: approvals_pb2.ListApprovalsRequest, context: Context
    ) -> approvals_pb2.ListApprovalsResponse:
        query = approval_query(request)
        page = await self._approvals.list(
            tenant_id=principal(context).tenant_id,
            status=query.status,
            task_id=query.task_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return approvals_pb2.ListApprovalsResponse(
            approvals=[approval_message(ask) for ask in page.asks],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def GetApproval(  # noqa: N802
        self, request: approvals_pb2.GetApprovalRequest, context: Context
    ) -> approvals_pb2.GetApprovalResponse:
        name = _required("approval_id", request.approval_id)
        ask = await self._approvals.get(name, tenant_id=principal(context).tenant_id)
        return approvals_pb2.GetApprovalResponse(approval=approval_message(ask))

    async def DecideApproval(  # noqa: N802
        self, request: approvals_pb2.DecideApprovalRequest, context: Context
    ) -> approvals_pb2.DecideApprovalResponse:
        who = principal(context)
        done = await self._approvals.resolve(
            _required("approval_id", request.approval_id),
            decision_reply(request),
            tenant_id=who.tenant_id,
            by=who.subject,
            idempotency_key=key_of(request),
        )
        return approvals_pb2.DecideApprovalResponse(
            approval=approval_message(done.ask), replayed=done.replayed
        )

    async def CreateApprovalLink(  # noqa: N802
        self, request: approvals_pb2.CreateApprovalLinkRequest, context: Context
    ) -> approvals_pb2.CreateApprovalLinkResponse:
        who = principal(context)
        link = await self._links.make(
            _required("approval_id", request.approval_id),
            link_request(request),
            tenant_id=who.tenant_id,
            by=who.subject,
        )
        return approvals_pb2.CreateApprovalLinkResponse(
            url=link.url or link.path, expires_at=link.expires_at
        )

    async def ListInputs(  # noqa: N802
        self, request: approvals_pb2.ListInputsRequest, context: Context
    ) -> approvals_pb2.ListInputsResponse:
        query = input_query(request)
        page = await self._inputs.list(
            tenant_id=principal(context).tenant_id,
            status=query.status,
            task_id=query.task_id,
            limit=query.limit,
            cursor=query.cursor,
        )
        return approvals_pb2.ListInputsResponse(
            inputs=[input_message(ask) for ask in page.asks],
            total=page.total,
            next_cursor=page.next_cursor,
        )

    async def GetInput(  # noqa: N802
        self, request: approvals_pb2.GetInputRequest, context: Context
    ) -> approvals_pb2.GetInputResponse:
        name = _required("input_id", request.input_id)
        ask = await self._inputs.get(name, tenant_id=principal(context).tenant_id)
        return approvals_pb2.GetInputResponse(input=input_message(ask))

    async def AnswerInput(  # noqa: N802
        self, request: approvals_pb2.AnswerInputRequest, context: Context
    ) -> approvals_pb2.AnswerInputResponse:
        who = principal(context)
        done = await self._inputs.answer(
            _required("input_id", request.input_id),
            answer_reply(request),
            tenant_id=who.tenant_id,
            by=who.subject,
            idempotency_key=key_of(request),
        )
        return approvals_pb2.AnswerInputResponse(
            input=input_message(done.ask), replayed=done.replayed
        )


def _required(name: str, value: str) -> str:
    if not value:
        raise InvalidRequest([FieldError(name, "is required")])
    return value
