"""`/api/v1/budgets`: what a tenant and its tasks may use at most, and what of it is left."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from ops_core.amounts import Allowance
from ops_core.api.dependencies import TenantId, json_bytes, no_query, services_of
from ops_core.api.flow_views import BudgetListView, BudgetView
from ops_core.api.openapi import json_body, problems
from ops_core.budgets.request import parse_budget_json
from ops_core.budgets.service import BudgetService
from ops_core.request import BudgetRequest

router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])

_EXAMPLE: Final[dict[str, Any]] = {"cost_usd": "25.00", "tokens": 5_000_000}


async def _service(request: Request) -> BudgetService:
    return services_of(request).budgets


async def _sent(request: Request) -> Allowance:
    return parse_budget_json(await json_bytes(request, "budget"))


Budgets = Annotated[BudgetService, Depends(_service)]


@router.get("", dependencies=[Depends(no_query)], responses=problems(422, 503))
async def list_budgets(service: Budgets, tenant_id: TenantId) -> BudgetListView:
    """The tenant's own budgets; a task's is found by the task's id."""
    found = await service.list(tenant_id=tenant_id)
    return BudgetListView(budgets=[BudgetView.of(budget) for budget in found])


@router.get("/{budget_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_budget(budget_id: str, service: Budgets, tenant_id: TenantId) -> BudgetView:
    """The budget of a task, or of the tenant for each `day`, each `month` or in `total`."""
    return BudgetView.of(await service.get(budget_id, tenant_id=tenant_id))


@router.put(
    "/{budget_id}",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(BudgetRequest, _EXAMPLE),
    responses=problems(404, 408, 413, 415, 422, 503),
)
async def put_budget(
    budget_id: str,
    service: Budgets,
    tenant_id: TenantId,
    sent: Annotated[Allowance, Depends(_sent)],
) -> BudgetView:
    """Sets what may be used; what was stays spent. A task's can be changed, not made."""
    return BudgetView.of(await service.put(budget_id, sent, tenant_id=tenant_id))


@router.delete(
    "/{budget_id}",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def delete_budget(budget_id: str, service: Budgets, tenant_id: TenantId) -> Response:
    """Ends a budget of the tenant's own; that of a task goes with the task."""
    await service.delete(budget_id, tenant_id=tenant_id)
    return Response(status_code=204)
