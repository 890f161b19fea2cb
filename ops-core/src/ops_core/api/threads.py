"""`/api/v1/threads`: conversations, whose tasks run one after another."""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import TenantId, in_query, json_bytes, no_query, once, services_of
from ops_core.api.openapi import json_body, problems
from ops_core.api.thread_views import MessagePageView, ThreadPageView, ThreadView
from ops_core.bodies import parsed_json
from ops_core.query import AfterQuery, ArchiveQuery
from ops_core.threads import ThreadService
from ops_core.threads.request import ThreadForkRequest, ThreadRequest

PREFIX: Final = "/api/v1/threads"

router = APIRouter(prefix=PREFIX, tags=["threads"])


async def _threads(request: Request) -> ThreadService:
    return services_of(request).threads


async def _new_thread(request: Request) -> ThreadRequest:
    return parsed_json(ThreadRequest, await json_bytes(request, "thread"))


async def _new_fork(request: Request) -> ThreadForkRequest:
    return parsed_json(ThreadForkRequest, await json_bytes(request, "fork"))


Threads = Annotated[ThreadService, Depends(_threads)]


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ThreadRequest, {"name": "Travel", "on_busy": "enqueue"}),
    responses=problems(408, 409, 413, 415, 422, 503),
)
async def create_thread(
    request: Request,
    response: Response,
    threads: Threads,
    tenant_id: TenantId,
    sent: Annotated[ThreadRequest, Depends(_new_thread)],
) -> ThreadView:
    """Stores a thread without a task; one also begins by itself with the first task that names it."""
    view = ThreadView.of(await threads.create(sent, tenant_id=tenant_id))
    _locate(view, request, response)
    return view


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_threads(
    threads: Threads, tenant_id: TenantId, query: Annotated[ArchiveQuery, Query()]
) -> ThreadPageView:
    """One page of threads, newest first."""
    with in_query():
        page = await threads.list(
            tenant_id=tenant_id, archived=query.archived, limit=query.limit, cursor=query.cursor
        )
    return ThreadPageView.of(page)


@router.get("/{thread_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_thread(thread_id: str, threads: Threads, tenant_id: TenantId) -> ThreadView:
    """One thread."""
    return ThreadView.of(await threads.get(thread_id, tenant_id=tenant_id))


@router.delete("/{thread_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def archive_thread(thread_id: str, threads: Threads, tenant_id: TenantId) -> ThreadView:
    """Closes a thread for new tasks; what is under way goes on, and what was said stays."""
    return ThreadView.of(await threads.archive(thread_id, tenant_id=tenant_id))


@router.get(
    "/{thread_id}/messages", dependencies=[Depends(once)], responses=problems(404, 422, 503)
)
async def list_messages(
    thread_id: str, threads: Threads, tenant_id: TenantId, query: Annotated[AfterQuery, Query()]
) -> MessagePageView:
    """What was asked and answered in a thread, in order, with the ids of the tasks."""
    page = await threads.messages(
        thread_id, tenant_id=tenant_id, after=query.after, limit=query.limit
    )
    return MessagePageView.of(page)


@router.post(
    "/{thread_id}/fork",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ThreadForkRequest, {"after_seq": 2}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def fork_thread(
    thread_id: str,
    request: Request,
    response: Response,
    threads: Threads,
    tenant_id: TenantId,
    sent: Annotated[ThreadForkRequest, Depends(_new_fork)],
) -> ThreadView:
    """Stores a new thread that shares this one up to a message, and goes on by itself from there."""
    view = ThreadView.of(await threads.fork(thread_id, sent, tenant_id=tenant_id))
    _locate(view, request, response)
    return view


def _locate(view: ThreadView, request: Request, response: Response) -> None:
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{quote(view.thread_id, safe='')}"
