"""`/api/v1/memories`: what agents remember beyond one task."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import (
    TenantId,
    Who,
    in_query,
    json_bytes,
    no_query,
    once,
    services_of,
)
from ops_core.api.memory_views import ForgottenView, MemoryPageView, MemoryView
from ops_core.api.openapi import json_body, problems
from ops_core.memories import MemoryService
from ops_core.memories.request import MemoryRequest, parse_memory_json
from ops_core.query import ForgetQuery, MemoryQuery

PREFIX: Final = "/api/v1/memories"

router = APIRouter(prefix=PREFIX, tags=["memories"])

_EXAMPLE: Final[dict[str, Any]] = {
    "text": "Ada drinks tea.",
    "agent": "support",
    "user": "ada",
    "metadata": {"topic": "drinks"},
}
_SAME: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": MemoryView,
        "description": "It was remembered already; this is it, with the new time.",
    }
}


async def _memories(request: Request) -> MemoryService:
    return services_of(request).memories


async def _new(request: Request) -> MemoryRequest:
    return parse_memory_json(await json_bytes(request, "memory"))


Memories = Annotated[MemoryService, Depends(_memories)]


@router.post(
    "/",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(MemoryRequest, _EXAMPLE),
    responses={**_SAME, **problems(408, 409, 413, 415, 422, 503)},
)
async def create_memory(
    request: Request,
    response: Response,
    memories: Memories,
    who: Who,
    sent: Annotated[MemoryRequest, Depends(_new)],
) -> MemoryView:
    """Adds something for an agent to find; the same text once more is the same memory."""
    saved = await memories.create(sent, tenant_id=who.tenant_id, by=who.subject)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{saved.memory.memory_id}"
    if not saved.created:
        response.status_code = 200
    return MemoryView.of(saved.memory)


@router.get("/", dependencies=[Depends(once)], responses=problems(409, 422, 503))
async def list_memories(
    memories: Memories, tenant_id: TenantId, query: Annotated[MemoryQuery, Query()]
) -> MemoryPageView:
    """One page of memories, newest first; with `query`, those that are most like it, best first."""
    with in_query():
        page = await memories.list(
            query.where(),
            tenant_id=tenant_id,
            query=query.query,
            limit=query.limit,
            cursor=query.cursor,
        )
    return MemoryPageView.of(page)


@router.delete("/", dependencies=[Depends(once)], responses=problems(409, 422, 503))
async def delete_memories(
    memories: Memories, tenant_id: TenantId, query: Annotated[ForgetQuery, Query()]
) -> ForgottenView:
    """Forgets everything of a user, of an agent, or of both, as a person may demand."""
    with in_query():
        forgotten = await memories.forget_all(query.where(), tenant_id=tenant_id)
    return ForgottenView(forgotten=forgotten)


@router.get(
    "/{memory_id}", dependencies=[Depends(no_query)], responses=problems(404, 409, 422, 503)
)
async def get_memory(memory_id: str, memories: Memories, tenant_id: TenantId) -> MemoryView:
    """One memory."""
    return MemoryView.of(await memories.get(memory_id, tenant_id=tenant_id))


@router.delete(
    "/{memory_id}",
    status_code=204,
    dependencies=[Depends(no_query)],
    responses=problems(404, 409, 422, 503),
)
async def delete_memory(memory_id: str, memories: Memories, tenant_id: TenantId) -> None:
    """Forgets one memory."""
    await memories.forget(memory_id, tenant_id=tenant_id)
