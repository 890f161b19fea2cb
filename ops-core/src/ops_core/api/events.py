"""`/api/v1/tasks/{task_id}/events`: the log of a task, page by page or live."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ops_core.api.admission import identify
from ops_core.api.dependencies import Service, Streams, TenantId, once
from ops_core.api.openapi import problems
from ops_core.api.sse import MEDIA_TYPE, EventStream
from ops_core.api.tasks import PREFIX
from ops_core.api.views import EventPageView
from ops_core.bounds import MAX_PAGE
from ops_core.errors import FieldError, InvalidRequest

router = APIRouter(prefix=PREFIX, tags=["events"])

_SEQ: Final = re.compile("[0-9]{1,18}")

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": f"A page; with `Accept: {MEDIA_TYPE}` a stream that ends with the task.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": "id: 1\nevent: task.submitted\ndata: {…}\n\n",
            }
        },
    }
}


class EventQuery(BaseModel):
    """Which events, in order."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**63, description="Only events with a larger `seq`.")
    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Of a page.")
    deltas: bool = Field(
        False, description="Of a stream: `llm.delta` too, while a model writes; best effort."
    )


@router.get(
    "/{task_id}/events",
    dependencies=[Depends(once)],
    response_model=EventPageView,
    responses={**_STREAM, **problems(404, 422, 503)},
)
async def list_task_events(
    task_id: str,
    request: Request,
    service: Service,
    streams: Streams,
    tenant_id: TenantId,
    query: Annotated[EventQuery, Query()],
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", description="Of a stream: goes on after it; wins over `after`."
        ),
    ] = None,
) -> Response | EventPageView:
    """What happened to a task, in order; `next_after` is the `after` of the page that follows."""
    _check_fits(query, is_stream := _wants_stream(request))
    if not is_stream:
        events = await service.events(
            task_id, tenant_id=tenant_id, after=query.after, limit=query.limit
        )
        return EventPageView.of(events, query.after)
    after = query.after if last_event_id is None else _seq(last_event_id)
    watch = await streams.watch(
        task_id,
        tenant_id=tenant_id,
        after=after,
        deltas=query.deltas,
        still=lambda: identify(request, "list_task_events"),
    )
    return EventStream(watch, keepalive_s=streams.settings.keepalive_s)


def _wants_stream(request: Request) -> bool:
    """Whether the client names the stream's type; who takes anything gets a page."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    types = [one.partition(";")[0].strip() for one in accepted.split(",")]
    return MEDIA_TYPE in types


def _check_fits(query: EventQuery, is_stream: bool) -> None:
    """Refuses what would have no effect, as everything that is not known."""
    if is_stream and "limit" in query.model_fields_set:
        raise InvalidRequest([FieldError("query.limit", "is only for pages: a stream has no end")])
    if not is_stream and query.deltas:
        message = f"is only for streams: send Accept: {MEDIA_TYPE}"
        raise InvalidRequest([FieldError("query.deltas", message)])


def _seq(last_event_id: str) -> int:
    if not _SEQ.fullmatch(last_event_id):
        message = "must be the id of an event of this stream: digits"
        raise InvalidRequest([FieldError("header.Last-Event-ID", message)])
    return int(last_event_id)
