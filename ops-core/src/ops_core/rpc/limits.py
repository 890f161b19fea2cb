"""`LimitService` and `BudgetService` of limits.proto: each method one call of the service."""

from typing import Any

import grpc.aio
from google.protobuf.empty_pb2 import Empty
from pydantic import ValidationError

from ops_core.budgets.request import parse_budget
from ops_core.budgets.service import BudgetService
from ops_core.flow.request import parse_limit
from ops_core.flow.service import LimitService
from ops_core.query import PageQuery
from ops_core.request import invalid
from ops_core.rpc.calls import principal
from ops_core.rpc.flow_convert import budget_message, limit_message, plain
from ops_core.rpc.v1 import limits_pb2, limits_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class Limits(limits_pb2_grpc.LimitServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: LimitService) -> None:
        self._service = service

    async def ListLimits(  # noqa: N802  # the names are the contract's
        self, request: limits_pb2.ListLimitsRequest, context: Context
    ) -> limits_pb2.ListLimitsResponse:
        try:
            query = PageQuery.model_validate(plain(request))
        except ValidationError as error:
            raise invalid(error) from None
        page = await self._service.list(
            tenant_id=principal(context).tenant_id, limit=query.limit, cursor=query.cursor
        )
        return limits_pb2.ListLimitsResponse(
            limits=[limit_message(limit) for limit in page.limits], next_cursor=page.next_cursor
        )

    async def GetLimit(  # noqa: N802
        self, request: limits_pb2.GetLimitRequest, context: Context
    ) -> limits_pb2.Limit:
        found = await self._service.get(request.key, tenant_id=principal(context).tenant_id)
        return limit_message(found)

    async def PutLimit(  # noqa: N802
        self, request: limits_pb2.PutLimitRequest, context: Context
    ) -> limits_pb2.Limit:
        data = plain(request)
        data.pop("key", None)
        if request.HasField("rate"):
            data["rate"] = plain(request.rate)
        limit = await self._service.put(
            request.key, parse_limit(data), tenant_id=principal(context).tenant_id
        )
        return limit_message(limit)

    async def DeleteLimit(  # noqa: N802
        self, request: limits_pb2.DeleteLimitRequest, context: Context
    ) -> Empty:
        await self._service.delete(request.key, tenant_id=principal(context).tenant_id)
        return Empty()


class Budgets(limits_pb2_grpc.BudgetServiceServicer):
    """As `Limits`."""

    def __init__(self, service: BudgetService) -> None:
        self._service = service

    async def ListBudgets(  # noqa: N802
        self, _request: limits_pb2.ListBudgetsRequest, context: Context
    ) -> limits_pb2.ListBudgetsResponse:
        found = await self._service.list(tenant_id=principal(context).tenant_id)
        return limits_pb2.ListBudgetsResponse(budgets=[budget_message(one) for one in found])

    async def GetBudget(  # noqa: N802
        self, request: limits_pb2.GetBudgetRequest, context: Context
    ) -> limits_pb2.Budget:
        tenant_id = principal(context).tenant_id
        return budget_message(await self._service.get(request.budget_id, tenant_id=tenant_id))

    async def PutBudget(  # noqa: N802
        self, request: limits_pb2.PutBudgetRequest, context: Context
    ) -> limits_pb2.Budget:
        allowance = parse_budget(plain(request.allowed))
        tenant_id = principal(context).tenant_id
        budget = await self._service.put(request.budget_id, allowance, tenant_id=tenant_id)
        return budget_message(budget)

    async def DeleteBudget(  # noqa: N802
        self, request: limits_pb2.DeleteBudgetRequest, context: Context
    ) -> Empty:
        await self._service.delete(request.budget_id, tenant_id=principal(context).tenant_id)
        return Empty()
