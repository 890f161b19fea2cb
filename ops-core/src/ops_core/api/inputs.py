"""`/api/v1/inputs`: what tasks ask people, of all tasks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.ask_views import InputPageView, InputView
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
from ops_core.api.resolving import Key, resolved
from ops_core.asks.inputs import InputService
from ops_core.asks.query import InputQuery
from ops_core.bodies import parsed_json
from ops_core.replies import AnswerReply

router = APIRouter(prefix="/api/v1/inputs", tags=["inputs"])


async def _inputs(request: Request) -> InputService:
    return services_of(request).inputs


async def _answer(request: Request) -> AnswerReply:
    return parsed_json(AnswerReply, await json_bytes(request, "answer"))


Inputs = Annotated[InputService, Depends(_inputs)]


@router.get("/", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_inputs(
    inputs: Inputs, tenant_id: TenantId, query: Annotated[InputQuery, Query()]
) -> InputPageView:
    """One page of questions, newest first, stable under inserts."""
    with in_query():
        page = await inputs.list(
            tenant_id=tenant_id,
            status=query.status,
            task_id=query.task_id,
            limit=query.limit,
            cursor=query.cursor,
        )
    return InputPageView.of(page)


@router.get("/{input_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_input(input_id: str, inputs: Inputs, tenant_id: TenantId) -> InputView:
    """One question."""
    return InputView.of(await inputs.get(input_id, tenant_id=tenant_id))


@router.post(
    "/{input_id}/answer",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(AnswerReply, {"answer": "The blue one."}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def answer_input(
    input_id: str,
    response: Response,
    inputs: Inputs,
    who: Who,
    sent: Annotated[AnswerReply, Depends(_answer)],
    idempotency_key: Key = None,
) -> InputView:
    """Answers a question, once; when this answers 200, the answer is on disk."""
    done = await inputs.answer(
        input_id,
        sent,
        tenant_id=who.tenant_id,
        by=who.subject,
        idempotency_key=idempotency_key,
    )
    return InputView.of(resolved(done, response))
