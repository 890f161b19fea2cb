"""What a client may ask for, with its bounds: the one model that every door parses into.

A request is checked in two steps. `TaskRequest` holds the shape that all tasks share; `check_json` bounds the
free parts (`input_data`, `labels`) so that whatever passes can be stored, hashed and sent on.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ops_core.amounts import Allowance
from ops_core.errors import FieldError, InvalidRequest
from ops_core.hook import TaskHookRequest
from ops_core.task import JsonObject, RetryPolicy

#: Deeper JSON than this is refused: no honest input needs it, and parsers recurse.
MAX_DEPTH: Final = 32

#: No honest name is longer, and errors and logs repeat names. Characters.
MAX_KEY_LENGTH: Final = 1000

#: Labels of one task.
MAX_LABELS: Final = 64

#: Tasks that one task may depend on.
MAX_DEPENDENCIES: Final = 100

#: The largest integer that both JSONB and a gRPC client in any language can hold.
MAX_INTEGER: Final = 2**63 - 1

#: One day short of ten years, in seconds.
MAX_SECONDS: Final = 3649 * 86_400.0

#: Values at most, at any depth, of what is small.
_FEW: Final = 1000

#: Made once: `json.dumps` with these would make one for each request.
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_PLAIN: Final = {"missing": "is required", "extra_forbidden": "is not a known field"}

Label = Annotated[str, Field(max_length=255)]
TaskId = Annotated[str, Field(min_length=1, max_length=100)]
LabelKey = Annotated[str, Field(min_length=1, max_length=63)]
ConcurrencyKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
#: Up to a billion dollars, down to a billionth of a cent.
Money = Annotated[str, Field(max_length=24, pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]


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
        return RetryPolicy(
            max_attempts=self.max_attempts,
            backoff_s=self.backoff_s,
            max_backoff_s=self.max_backoff_s,
        )


class BudgetRequest(BaseModel):
    """What may be used at most; what is left out is not limited."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    cost_usd: Money | None = Field(
        None, description="US dollars, as a plain decimal in a string.", examples=["0.50"]
    )
    tokens: int | None = Field(None, ge=1, le=MAX_INTEGER, description="Input and output.")
    steps: int | None = Field(None, ge=1, le=MAX_INTEGER, description="Model calls.")
    seconds: float | None = Field(None, gt=0, le=MAX_SECONDS, description="Spent on model calls.")

    def allowance(self) -> Allowance | None:
        """None when nothing is limited."""
        cost = None if self.cost_usd is None else Decimal(self.cost_usd)
        found = Allowance(cost_usd=cost, tokens=self.tokens, steps=self.steps, seconds=self.seconds)
        return None if found == Allowance() else found


class TaskRequest(BaseModel):
    """A task to run. Only `task_type` is required; for `agent_run`, `input_data.goal` is as well."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    task_type: str = Field(min_length=1, max_length=100, examples=["agent_run"])
    input_data: dict[str, Any] = Field(
        default_factory=dict, examples=[{"goal": "What is 17 * 23?"}]
    )
    name: str | None = Field(None, max_length=200)
    agent: str = Field(
        "default",
        min_length=1,
        max_length=100,
        description="`name` is the newest version of that agent, `name@3` is that one.",
    )
    thread_id: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The conversation that it belongs to; one that does not exist begins with it.",
    )
    on_busy: Literal["reject", "enqueue", "interrupt"] | None = Field(
        None,
        description="While another task of the thread is under way: refuse this one (409), let it wait, or "
        "cancel the other. Left out: what the thread says, which is `enqueue` unless it was told otherwise.",
    )
    priority: int = Field(
        0,
        ge=-100,
        le=100,
        description="Of a tenant's tasks the one with the higher number is claimed first.",
    )
    scheduled_at: AwareDatetime | None = None
    deadline_s: float | None = Field(
        None, gt=0, le=MAX_SECONDS, description="Seconds from submission."
    )
    retry_policy: RetryRequest = Field(default_factory=RetryRequest)
    labels: dict[LabelKey, Label] = Field(default_factory=dict, max_length=MAX_LABELS)

    parent_task_id: str | None = Field(
        None, min_length=1, max_length=100, description="The task that this one is a child of."
    )
    depends_on: list[TaskId] = Field(
        default_factory=list,
        max_length=MAX_DEPENDENCIES,
        description="Tasks that must complete before this one runs.",
    )

    concurrency_key: ConcurrencyKey | None = Field(
        None, description="Of the tasks with one key only so many run at once, by default one."
    )
    budget: BudgetRequest | None = Field(
        None, description="What the task and its children may use at most."
    )

    output_schema: dict[str, Any] | None = None

    webhook: TaskHookRequest | None = Field(
        None, description='Where its events are sent; a URL alone stands for `{"url": …}`.'
    )

    @field_validator("webhook", mode="before")
    @classmethod
    def _url_alone(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("depends_on", mode="before")
    @classmethod
    def _a_few(cls, value: object) -> object:
        # Counted first, as labels are.
        if isinstance(value, list) and len(value) > MAX_DEPENDENCIES:
            raise ValueError(f"names more than {MAX_DEPENDENCIES} tasks")
        return value

    @field_validator("labels", mode="before")
    @classmethod
    def _few(cls, value: object) -> object:
        # Counted before they are looked at: 100,000 wrong labels would be as many errors in memory.
        if isinstance(value, dict) and len(value) > MAX_LABELS:
            raise ValueError(f"has more than {MAX_LABELS} labels")
        return value

    @field_validator("scheduled_at")
    @classmethod
    def _storable_time(cls, value: datetime | None) -> datetime | None:
        if value is not None and not is_storable_time(value):
            raise ValueError("must lie between the years 1970 and 9000")
        return value

    @model_validator(mode="after")
    def _in_a_thread(self) -> Self:
        if self.on_busy is not None and self.thread_id is None:
            raise ValueError("on_busy is only for a task with a thread_id")
        if self.thread_id is not None and self.parent_task_id is not None:
            raise ValueError(
                "thread_id is not for a child: its parent, in the same one, would wait"
            )
        return self

    def digest(self) -> str:
        """SHA-256 of the canonical request: two requests with one digest ask for the same task."""
        asked = self.model_dump(mode="json")
        # Older builds beside this one do not know these: a request without has one digest for both.
        if self.on_busy is None:
            del asked["on_busy"]
        if self.webhook is not None and not self.webhook.decides:
            del asked["webhook"]["decides"]
        return hashlib.sha256(_CANONICAL.encode(asked).encode()).hexdigest()


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
    check_json(request.model_dump(exclude_unset=True))  # our defaults are fine
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
    """Refuses what cannot be stored as JSONB or sent on: depth, long keys, NUL, lone surrogates, NaN, huge
    numbers.

    Walks with a list of its own instead of recursion, so that no nesting can exhaust the stack, and keeps
    nothing but the way down to where it is, so that no body can exhaust the memory.
    Raises `InvalidRequest`.
    """
    if not _is_small_and_right(value):
        _walk(value)


def _is_small_and_right(value: object) -> bool:
    """Whether there is nothing to refuse in a value of few parts, as most are: told sooner than by a walk.

    It goes level by level, and so it cannot say where anything is.
    """
    level, parts = [value], 1
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for node in level:
            if isinstance(node, dict | list):
                parts += len(node)
                if parts > _FEW or _has_long_key(node):
                    return False
                below += node
                below += node.values() if isinstance(node, dict) else ()
            elif _scalar_problem(node):
                return False
        if not below:
            return True
        level = below
    return False


def _walk(value: object) -> None:
    """Raises `InvalidRequest` for the first wrong value, which it names."""
    way: list[object] = [""]  # the name of each open node in its parent; the root has none
    open_nodes: list[Iterator[tuple[object, object]]] = [iter([("", value)])]
    while open_nodes:
        found = next(open_nodes[-1], None)
        if found is None:
            open_nodes.pop()
            way.pop()
            continue
        way[-1], node = found
        problem = f"is nested deeper than {MAX_DEPTH} levels" if len(way) > MAX_DEPTH + 1 else None
        problem = problem or _problem(node)
        if problem:
            raise InvalidRequest([FieldError(_path(way), problem)])
        if isinstance(node, dict | list):
            way.append("")
            open_nodes.append(iter(node.items() if isinstance(node, dict) else enumerate(node)))


def _problem(node: object) -> str | None:
    """What is wrong with a node itself; a name that is wrong is told of the object that has it."""
    if not isinstance(node, dict):
        return _scalar_problem(node)
    if _has_long_key(node):
        return f"has a key of more than {MAX_KEY_LENGTH} characters"
    return next(filter(None, map(_scalar_problem, node)), None)


def _has_long_key(node: object) -> bool:
    return isinstance(node, dict) and any(
        isinstance(key, str) and len(key) > MAX_KEY_LENGTH for key in node
    )


def _scalar_problem(value: object) -> str | None:
    if isinstance(value, str) and _UNSTORABLE.search(value):
        return "contains a NUL character or a lone surrogate"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "is an integer of more than 64 bits; send it as a string"
    return None


def _path(way: list[object]) -> str:
    """The names down to a node, in dots: only made for an error."""
    dots = ".".join(str(name) for name in way[1:])
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", dots[:100])
