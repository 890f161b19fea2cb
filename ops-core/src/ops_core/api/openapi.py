"""The OpenAPI document: what FastAPI finds, and what it cannot see for itself.

It does not see bodies, because they are parsed from their bytes, and it would not give problems their own
media type.
"""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from ops_core.agents.request import AgentRequest, VersionRequest
from ops_core.api.problems import MEDIA_TYPE, PREFIX, Problem
from ops_core.flow.request import LimitRequest
from ops_core.identity.needs import NEEDS
from ops_core.identity.requests import (
    ApiKeyRequest,
    RotationRequest,
    TenantLimitsRequest,
    TenantRequest,
)
from ops_core.memories.request import MemoryRequest
from ops_core.overrides import ForkRequest
from ops_core.replies import (
    AnswerReply,
    ApprovalReply,
    EffectReply,
    InputReply,
    LinkRequest,
)
from ops_core.request import BudgetRequest, TaskRequest
from ops_core.schedules.request import PauseRequest, ScheduleChange, ScheduleRequest
from ops_core.threads.request import ThreadForkRequest, ThreadRequest
from ops_core.webhooks.request import RotateRequest, WebhookChange, WebhookRequest

_REF: Final = "#/components/schemas/{model}"

_MODELS: Final[list[tuple[type[Any], JsonSchemaMode]]] = [
    *(
        (model, "validation")
        for model in (
            TaskRequest,
            InputReply,
            EffectReply,
            ApprovalReply,
            AnswerReply,
            LinkRequest,
            ForkRequest,
            ScheduleRequest,
            ScheduleChange,
            PauseRequest,
            AgentRequest,
            VersionRequest,
            ThreadRequest,
            ThreadForkRequest,
            MemoryRequest,
            ApiKeyRequest,
            RotationRequest,
            TenantLimitsRequest,
            TenantRequest,
            WebhookRequest,
            WebhookChange,
            RotateRequest,
            LimitRequest,
            BudgetRequest,
        )
    ),
    (Problem, "serialization"),
]

#: What each status means here, and the type of an example.
_MEANINGS: Final = {
    401: ("Nobody knows who asks: a key or a token is missing, or is not good.", "unauthenticated"),
    403: ("The key or token lacks a scope, which `detail` names.", "missing_scope"),
    404: ("There is no such thing here; the type says what is missing.", "task_not_found"),
    408: ("The body did not arrive in time.", "request_timeout"),
    409: ("The request does not fit what is stored.", "idempotency_conflict"),
    413: ("The body is too large.", "body_too_large"),
    415: ("The body is not JSON.", "unsupported_media_type"),
    422: ("The JSON is malformed, or a field or parameter is wrong.", "invalid_request"),
    429: (
        "Too many requests, or too much under way; Retry-After says when to come back.",
        "too_many_requests",
    ),
    500: ("A fault of the server; its log has the reason.", "internal"),
    503: ("Something needed is away; Retry-After says when to come back.", "store_unavailable"),
}


class DocumentedApp(FastAPI):
    """An application whose document also describes the bodies of requests, and `Problem`."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            _, extra = models_json_schema(_MODELS, ref_template=_REF)
            document = super().openapi()
            document["components"]["schemas"].update(extra["$defs"])
            _say_who_may(document)
        return super().openapi()


def _say_who_may(document: dict[str, Any]) -> None:
    """The scopes that each operation needs, with spaces in between, and how it is refused without."""
    document["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`osk_…`), or a token of the provider that the server trusts.",
        }
    }
    operations = (entry for path in document["paths"].values() for entry in path.values())
    for operation in operations:
        need = NEEDS.get(operation["operationId"])
        if need is not None:
            operation["security"] = [{"bearer": []}]
            operation["x-scope"] = " ".join(need.scopes)
            refusals = {
                str(status): _problem(status, *_MEANINGS[status]) for status in (401, 403, 429)
            }
            operation["responses"] = dict(sorted({**operation["responses"], **refusals}.items()))


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, and 500, which any may: for its `responses`."""
    return {status: _problem(status, *_MEANINGS[status]) for status in (*statuses, 500)}


def _problem(status: int, meaning: str, type_: str) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": f"{PREFIX}{type_}",
        "title": type_.replace("_", " ").capitalize(),
        "status": status,
        "detail": meaning,
        "instance": "/api/v1/tasks/",
        "request_id": "0123456789abcdef0123456789abcdef",
    }
    if status == 422:
        example["errors"] = [{"path": "input_data.goal", "message": "is required"}]
    schema = {"$ref": _REF.format(model="Problem")}
    response: dict[str, Any] = {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    if status in {429, 503}:
        seconds = {"type": "integer", "description": "Seconds."}
        response["headers"] = {"Retry-After": {"schema": seconds}}
    return response


def json_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """A required JSON body that a route parses from its bytes: for its `openapi_extra`."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
