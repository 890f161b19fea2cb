"""What a client may ask for, with its bounds: the one model that every door parses into.

A request is checked in two steps. `TaskRequest` holds the shape that all tasks share; `check_json` bounds the
free parts (`input_data`, `labels`) so that whatever passes can be stored, hashed and sent on.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ops_core.errors import FieldError, InvalidRequest
from ops_core.task import JsonObject, RetryPolicy

#: Deeper JSON than this is refused: no honest input needs it, and parsers recurse.
MAX_DEPTH: Final = 32

#: The largest integer that both JSONB and a gRPC client in any language can hold.
MAX_INTEGER: Final = 2**63 - 1

#: One day short of ten years, in seconds.
MAX_SECONDS: Final = 3649 * 86_400.0

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_PLAIN: Final = {"missing": "is required", "extra_forbidden": "is not a known field"}
_NOT_YET: Final = "is not available yet: leave it out"

Label = Annotated[str, Field(max_length=255)]
LabelKey = Annotated[str, Field(min_length=1, max_length=63)]


def is_storable_time(value: datetime) -> bool:
    """Whether PostgreSQL and every client can hold this time, in any time zone."""
    return value.tzinfo is not None and 1970 <= value.year <= 9000


class RetryRequest(BaseModel):
    """How often to try, and how long to rest between attempts (seconds)."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    max_attempts: int = Field(default=3, ge=1, le=100)
    backoff_s: float = Field(default=2.0, ge=0, le=86_400)
    max_backoff_s: float = Field(default=300.0, ge=0, le=604_800)

    def policy(self) -> RetryPolicy:
        return RetryPolicy(**self.model_dump())


class TaskRequest(BaseModel):
    """A task to run. Only `task_type` is required; for `agent_run`, `input_data.goal` is as well."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    task_type: str = Field(min_length=1, max_length=100, examples=["agent_run"])
    input_data: dict[str, Any] = Field(
        default_factory=dict, examples=[{"goal": "What is 17 * 23?"}]
    )
    name: str | None = Field(None, max_length=200)
    agent: str = Field("default", min_length=1, max_length=100)
    thread_id: str | None = Field(None, min_length=1, max_length=100)
    priority: int = Field(0, ge=-100, le=100, description="A higher number is claimed first.")
    scheduled_at: AwareDatetime | None = None
    deadline_s: float | None = Field(
        None, gt=0, le=MAX_SECONDS, description="Seconds from submission."
    )
    retry_policy: RetryRequest = Field(default_factory=RetryRequest)
    labels: dict[LabelKey, Label] = Field(default_factory=dict, max_length=64)

    # Named by the contract, and refused until what stands behind them is there: a promise that is
    # accepted and not kept would be worse.
    concurrency_key: str | None = None
    parent_task_id: str | None = None
    depends_on: list[str] = Field(default_factory=list)
    budget: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    webhook: dict[str, Any] | str | None = None

    @field_validator(
        "concurrency_key", "parent_task_id", "depends_on", "budget", "output_schema", "webhook"
    )
    @classmethod
    def _not_yet(cls, value: object) -> object:
        if value:
            raise ValueError(_NOT_YET)
        return value

    @field_validator("scheduled_at")
    @classmethod
    def _storable_time(cls, value: datetime | None) -> datetime | None:
        if value is not None and not is_storable_time(value):
            raise ValueError("must lie between the years 1970 and 9000")
        return value

    def digest(self) -> str:
        """SHA-256 of the canonical request: two requests with one digest ask for the same task."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_request(data: JsonObject) -> TaskRequest:
    """Parses a request that is already Python data. Raises `InvalidRequest` naming each wrong field."""
    check_json(data)
    try:
        return TaskRequest.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def parse_request_json(body: bytes) -> TaskRequest:
    """Parses a request from JSON text. Raises `InvalidRequest` naming each wrong field."""
    try:
        request = TaskRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    check_json(request.model_dump())
    return request


def invalid(error: ValidationError) -> InvalidRequest:
    """Translates pydantic's errors, without the input values: they may be large or secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return InvalidRequest(field_errors(found))


def field_errors(found: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """The wrong fields among pydantic's error details, in the words that the service uses too."""
    return [
        FieldError(
            ".".join(str(part) for part in e["loc"]),
            _PLAIN.get(e["type"]) or e["msg"].removeprefix("Value error, "),
        )
        for e in found
    ]


def check_json(value: object) -> None:
    """Refuses what cannot be stored as JSONB or sent on: depth, NUL, lone surrogates, NaN, huge numbers.

    Walks with a list of its own instead of recursion, so that no nesting can exhaust the stack.
    Raises `InvalidRequest`.
    """
    rest: list[tuple[str, object, int]] = [("", value, 0)]
    while rest:
        path, node, depth = rest.pop()
        if depth > MAX_DEPTH:
            raise InvalidRequest(
                [FieldError(path[:100], f"is nested deeper than {MAX_DEPTH} levels")]
            )
        if isinstance(node, dict):
            for key in node:
                _check_scalar(path, key)
            rest += [
                (f"{path}.{key}" if path else key, child, depth + 1) for key, child in node.items()
            ]
        elif isinstance(node, list):
            rest += [(f"{path}.{i}", child, depth + 1) for i, child in enumerate(node)]
        else:
            _check_scalar(path, node)


def _check_scalar(path: str, value: object) -> None:
    problem = None
    if isinstance(value, str) and _UNSTORABLE.search(value):
        problem = "contains a NUL character or a lone surrogate"
    elif isinstance(value, float) and not math.isfinite(value):
        problem = "is not a finite number"
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        problem = "is an integer of more than 64 bits; send it as a string"
    if problem:
        clean = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", path)
        raise InvalidRequest([FieldError(clean[:100], problem)])
