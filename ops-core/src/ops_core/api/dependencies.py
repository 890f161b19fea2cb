"""What a route may ask for."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from ops_core.api.admission import admitted
from ops_core.api.body import whole_body
from ops_core.api.headers import header
from ops_core.bodies import parsed_json
from ops_core.errors import FieldError, InvalidRequest
from ops_core.principal import Principal
from ops_core.replies import ApprovalReply, EffectReply, InputReply
from ops_core.request import TaskRequest, parse_request_json
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.streams.service import EventStreams


def services_of(request: Request) -> Services:
    """The services behind this door."""
    services: Services = request.app.state.services
    return services


async def _tasks(request: Request) -> TaskService:
    return services_of(request).tasks


async def _streams(request: Request) -> EventStreams:
    return services_of(request).streams


async def _tenant_id(who: Annotated[Principal, Depends(admitted)]) -> str:
    return who.tenant_id


async def sent_task(request: Request) -> TaskRequest:
    """The body, parsed once, from its bytes. Raises `InvalidRequest`, or 415 when it is not JSON."""
    return parse_request_json(await json_bytes(request, "task"))


async def _input(request: Request) -> InputReply:
    return parsed_json(InputReply, await json_bytes(request, "answer"))


async def _effect(request: Request) -> EffectReply:
    return parsed_json(EffectReply, await json_bytes(request, "outcome"))


async def _approval(request: Request) -> ApprovalReply:
    return parsed_json(ApprovalReply, await json_bytes(request, "decision"))


async def json_bytes(request: Request, what: str) -> bytes:
    """The bytes of a JSON body. Raises 415 when it does not claim to be one.

    A body without a content type is refused as well: any page in a browser can send one to a local
    server without asking, but not one that claims to be JSON.
    """
    if not is_json(header(request.scope, b"content-type") or ""):
        detail = f"Send the {what} as JSON, with the header Content-Type: application/json."
        raise HTTPException(415, detail, {"Accept": "application/json"})
    return await whole_body(request)


def is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


async def once(request: Request) -> None:
    """Refuses a query parameter that is given twice: one of the two would be dropped in silence."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InvalidRequest([FieldError(f"query.{name}", "is given twice") for name in twice])


@contextmanager
def in_query() -> Iterator[None]:
    """Says where a parameter that only the store can judge (the cursor) was sent."""
    try:
        yield
    except InvalidRequest as error:
        fields = [replace(field, path=f"query.{field.path}") for field in error.errors]
        raise InvalidRequest(fields) from None


class NoQuery(BaseModel):
    """No query parameters: any is an error that names it."""

    model_config = ConfigDict(extra="forbid")


async def no_query(_query: Annotated[NoQuery, Query()]) -> None:
    """For routes that take none."""


Service = Annotated[TaskService, Depends(_tasks)]
Streams = Annotated[EventStreams, Depends(_streams)]
Who = Annotated[Principal, Depends(admitted)]
TenantId = Annotated[str, Depends(_tenant_id)]
SentTask = Annotated[TaskRequest, Depends(sent_task)]
SentInput = Annotated[InputReply, Depends(_input)]
SentEffect = Annotated[EffectReply, Depends(_effect)]
SentApproval = Annotated[ApprovalReply, Depends(_approval)]
