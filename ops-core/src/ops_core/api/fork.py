"""`POST /api/v1/tasks/{task_id}/fork`: a new task that shares the log of another one up to an event."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from ops_core.api.dependencies import Service, TenantId, json_bytes, no_query
from ops_core.api.openapi import json_body, problems
from ops_core.api.tasks import PREFIX
from ops_core.api.views import TaskView
from ops_core.bounds import MAX_KEY_LENGTH
from ops_core.overrides import ForkRequest, parse_fork_json

router = APIRouter(prefix=PREFIX, tags=["tasks"])

_EXAMPLE: Final[dict[str, Any]] = {"after_seq": 5, "overrides": {"model": "another-model"}}


async def _fork_request(request: Request) -> ForkRequest:
    return parse_fork_json(await json_bytes(request, "fork"))


@router.post(
    "/{task_id}/fork",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ForkRequest, _EXAMPLE),
    responses={
        200: {
            "model": TaskView,
            "description": "The Idempotency-Key had stored it before: `Idempotent-Replay: true`.",
        },
        **problems(404, 408, 409, 413, 415, 422, 429, 503),
    },
)
async def fork_task(
    task_id: str,
    request: Request,
    response: Response,
    service: Service,
    tenant_id: TenantId,
    sent: Annotated[ForkRequest, Depends(_fork_request)],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description=f"1 to {MAX_KEY_LENGTH} printable characters. The same key with the same "
            "body is the same fork; with another body it is a conflict.",
        ),
    ] = None,
) -> TaskView:
    """Stores a new task that goes on from an event of this one's log, in whatever state this one is."""
    forked = await service.fork(task_id, sent, tenant_id=tenant_id, idempotency_key=idempotency_key)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{forked.task.task_id}"
    if not forked.created:
        response.status_code = 200
        response.headers["Idempotent-Replay"] = "true"
    return TaskView.of(forked.task)
