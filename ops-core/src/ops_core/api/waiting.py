"""What a task did and waits for: its steps, and what a client brings it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from ops_core.api.approvals import Approvals
from ops_core.api.dependencies import (
    SentApproval,
    SentEffect,
    SentInput,
    Service,
    TenantId,
    Who,
    no_query,
    once,
)
from ops_core.api.openapi import json_body, problems
from ops_core.api.step_views import StepPageView
from ops_core.api.tasks import PREFIX
from ops_core.api.views import TaskView
from ops_core.bounds import MAX_PAGE
from ops_core.replies import ApprovalReply, EffectReply, InputReply

router = APIRouter(prefix=PREFIX, tags=["waiting"])

_BROUGHT = problems(404, 408, 409, 413, 415, 422, 503)


class StepQuery(BaseModel):
    """A page of steps, in order."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**63, description="Leaves out so many steps.")
    limit: int = Field(100, ge=1, le=MAX_PAGE)


@router.get("/{task_id}/steps", dependencies=[Depends(once)], responses=problems(404, 422, 503))
async def list_steps(
    task_id: str, service: Service, tenant_id: TenantId, query: Annotated[StepQuery, Query()]
) -> StepPageView:
    """The ledger of a task's effects: each step once, in the order in which they were first seen."""
    page = await service.steps(task_id, tenant_id=tenant_id, after=query.after, limit=query.limit)
    return StepPageView.of(page, query.after)


@router.post(
    "/{task_id}/input",
    status_code=202,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(InputReply, {"answer": "The blue one."}),
    responses=_BROUGHT,
)
async def send_input(task_id: str, service: Service, who: Who, sent: SentInput) -> TaskView:
    """Answers a question that the task asked."""
    task = await service.answer(
        task_id, sent.answer, step=sent.step, tenant_id=who.tenant_id, by=who.subject
    )
    return TaskView.of(task)


@router.post(
    "/{task_id}/effects/{step:path}/resolve",
    status_code=202,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(EffectReply, {"outcome": "happened", "result": "It was sent."}),
    responses=_BROUGHT,
)
async def resolve_effect(
    task_id: str, step: str, service: Service, who: Who, sent: SentEffect
) -> TaskView:
    """Says of a call whose outcome nobody knows what came of it, or what to do."""
    task = await service.resolve(
        task_id, step, sent.outcome, sent.result, tenant_id=who.tenant_id, by=who.subject
    )
    return TaskView.of(task)


@router.post(
    "/{task_id}/approvals/{step:path}/resolve",
    status_code=202,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ApprovalReply, {"decision": "approve", "comment": "Once."}),
    responses=_BROUGHT,
)
async def resolve_approval(
    task_id: str, step: str, approvals: Approvals, who: Who, sent: SentApproval
) -> TaskView:
    """Approves or rejects a call that needs a person's leave, named by its task and step."""
    task = await approvals.decide(task_id, step, sent, tenant_id=who.tenant_id, by=who.subject)
    return TaskView.of(task)
