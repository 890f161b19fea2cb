"""`/api/v1/schedules`: tasks that are submitted by the clock."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ops_core.api.dependencies import (
    TenantId,
    Who,
    in_query,
    json_bytes,
    no_query,
    once,
    services_of,
)
from ops_core.api.openapi import json_body, problems
from ops_core.api.schedule_views import (
    FiringPageView,
    SchedulePageView,
    ScheduleView,
    UpcomingView,
)
from ops_core.api.tasks import PREFIX as TASKS
from ops_core.api.views import TaskView
from ops_core.bounds import MAX_KEY_LENGTH
from ops_core.identity.needs import check_webhook
from ops_core.query import PageQuery
from ops_core.schedules.request import (
    PauseRequest,
    ScheduleChange,
    ScheduleRequest,
    parse_change_json,
    parse_pause_json,
    parse_schedule_json,
)
from ops_core.schedules.service import MAX_NEXT, ScheduleService

PREFIX: Final = "/api/v1/schedules"

router = APIRouter(prefix=PREFIX, tags=["schedules"])

_EXAMPLE: Final = {
    "name": "morning news",
    "cron": "30 7 * * mon-fri",
    "time_zone": "Europe/Berlin",
    "task": {"task_type": "agent_run", "input_data": {"goal": "Sum up the news."}},
}


class UpcomingQuery(BaseModel):
    """How many firings to foretell."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(10, ge=1, le=MAX_NEXT)


async def _schedules(request: Request) -> ScheduleService:
    return services_of(request).schedules


async def _schedule_request(request: Request) -> ScheduleRequest:
    return parse_schedule_json(await json_bytes(request, "schedule"))


async def _change(request: Request) -> ScheduleChange:
    return parse_change_json(await json_bytes(request, "change"))


async def _pause(request: Request) -> PauseRequest:
    if request.headers.get("content-type") is None and not await request.body():
        return PauseRequest(reason=None)
    return parse_pause_json(await json_bytes(request, "reason"))


Schedules = Annotated[ScheduleService, Depends(_schedules)]


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ScheduleRequest, _EXAMPLE),
    responses=problems(408, 409, 413, 415, 422, 503),
)
async def create_schedule(
    request: Request,
    response: Response,
    schedules: Schedules,
    who: Who,
    sent: Annotated[ScheduleRequest, Depends(_schedule_request)],
) -> ScheduleView:
    """Stores a schedule; its name is taken once, so a request that is sent again stores nothing twice."""
    check_webhook(who, sent.task.get("webhook"))
    made = await schedules.create(sent, tenant_id=who.tenant_id, by=who.subject)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{made.schedule_id}"
    return ScheduleView.of(made)


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_schedules(
    schedules: Schedules, tenant_id: TenantId, query: Annotated[PageQuery, Query()]
) -> SchedulePageView:
    """One page of schedules, newest first, stable under inserts."""
    with in_query():
        page = await schedules.list(tenant_id=tenant_id, limit=query.limit, cursor=query.cursor)
    return SchedulePageView.of(page)


@router.get("/{schedule_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_schedule(schedule_id: str, schedules: Schedules, tenant_id: TenantId) -> ScheduleView:
    """One schedule."""
    return ScheduleView.of(await schedules.get(schedule_id, tenant_id=tenant_id))


@router.patch(
    "/{schedule_id}",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ScheduleChange, {"cron": "0 8 * * *"}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def change_schedule(
    schedule_id: str,
    schedules: Schedules,
    who: Who,
    sent: Annotated[ScheduleChange, Depends(_change)],
) -> ScheduleView:
    """Changes what is named, leaves the rest; the next firing is counted from now."""
    check_webhook(who, (sent.task or {}).get("webhook"))
    return ScheduleView.of(await schedules.change(schedule_id, sent, tenant_id=who.tenant_id))


@router.delete(
    "/{schedule_id}",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 422, 503),
)
async def delete_schedule(schedule_id: str, schedules: Schedules, tenant_id: TenantId) -> None:
    """Forgets the schedule and its history; its tasks stay."""
    await schedules.delete(schedule_id, tenant_id=tenant_id)


@router.post(
    "/{schedule_id}/pause",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(PauseRequest, {"reason": "holidays"}),
    responses=problems(404, 408, 413, 415, 422, 503),
)
async def pause_schedule(
    schedule_id: str,
    schedules: Schedules,
    tenant_id: TenantId,
    sent: Annotated[PauseRequest, Depends(_pause)],
) -> ScheduleView:
    """No firing until it is resumed; one that is paused stays as it is. The body may be left out."""
    paused = await schedules.pause(schedule_id, tenant_id=tenant_id, reason=sent.reason)
    return ScheduleView.of(paused)


@router.post(
    "/{schedule_id}/resume", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def resume_schedule(
    schedule_id: str, schedules: Schedules, tenant_id: TenantId
) -> ScheduleView:
    """Goes on with the next firing from now; what would have fired meanwhile is not made up for."""
    return ScheduleView.of(await schedules.resume(schedule_id, tenant_id=tenant_id))


@router.post(
    "/{schedule_id}/trigger",
    status_code=201,
    dependencies=[Depends(no_query)],
    responses={
        200: {
            "model": TaskView,
            "description": "The Idempotency-Key had triggered it before: `Idempotent-Replay: true`.",
        },
        **problems(404, 422, 503),
    },
)
async def trigger_schedule(
    schedule_id: str,
    request: Request,
    response: Response,
    schedules: Schedules,
    tenant_id: TenantId,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=f"1 to {MAX_KEY_LENGTH} printable characters. The same key is the same task.",
        ),
    ] = None,
) -> TaskView:
    """Submits a task now, also of a paused schedule and beside one that has not ended."""
    triggered = await schedules.trigger(
        schedule_id, tenant_id=tenant_id, idempotency_key=idempotency_key
    )
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{TASKS}/{triggered.task.task_id}"
    if not triggered.created:
        response.status_code = 200
        response.headers["Idempotent-Replay"] = "true"
    return TaskView.of(triggered.task)


@router.get("/{schedule_id}/next", dependencies=[Depends(once)], responses=problems(404, 422, 503))
async def list_upcoming(
    schedule_id: str,
    schedules: Schedules,
    tenant_id: TenantId,
    query: Annotated[UpcomingQuery, Query()],
) -> UpcomingView:
    """The next firings from now, as if it were not paused."""
    times = await schedules.upcoming(schedule_id, tenant_id=tenant_id, count=query.count)
    return UpcomingView.of(times)


@router.get(
    "/{schedule_id}/firings", dependencies=[Depends(once)], responses=problems(404, 422, 503)
)
async def list_firings(
    schedule_id: str,
    schedules: Schedules,
    tenant_id: TenantId,
    query: Annotated[PageQuery, Query()],
) -> FiringPageView:
    """What became of the latest firings, newest first; the last 1,000 are kept."""
    with in_query():
        page = await schedules.firings(
            schedule_id, tenant_id=tenant_id, limit=query.limit, cursor=query.cursor
        )
    return FiringPageView.of(page)
