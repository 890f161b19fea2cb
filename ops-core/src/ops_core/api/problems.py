"""Problem details (RFC 9457): the one shape of every error that this door answers with.

`type` is `urn:opspawn:problem:<type>`, where `<type>` is the same string as `OpsError.type`, as
`error.type` of a failed task, and as `ErrorInfo.reason` over gRPC.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse
from starlette.types import Scope

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:opspawn:problem:"


class FieldProblem(BaseModel):
    """One wrong field: where it is, and what is wrong with it."""

    path: str = Field(examples=["input_data.goal"])
    message: str = Field(examples=["is required"])


class Problem(BaseModel):
    """What went wrong, for a program (`type`, `status`) and for a person (`title`, `detail`)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[f"{PREFIX}invalid_request"])
    title: str = Field(examples=["Invalid request"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["input_data.goal: is required"])
    instance: str = Field(description="The path that was asked for.", examples=["/api/v1/tasks/"])
    request_id: str = Field(description="Finds the request in the server's log.")
    errors: list[FieldProblem] = Field(
        default_factory=list, description="Each wrong field; only with status 422."
    )


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem(
    scope: Scope,
    status: int,
    type_: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> ProblemResponse:
    """A response for the request of `scope`; `more` are members that this type has besides."""
    content = {
        "type": f"{PREFIX}{type_}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": quote(scope["state"]["path"][:500]),
        "request_id": scope["state"]["request_id"],
        **(more or {}),
    }
    return ProblemResponse(content, status, headers)
