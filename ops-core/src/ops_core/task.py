"""A task, the states it can be in, and the moves between them.

Everything here is pure: a move is decided from a task and returned as a value (`Move`); a store applies it
in one guarded statement together with its event. The same rules stand a second time as CHECK constraints
in the migration, and a third time as the picture in `docs/lifecycle.md`; tests hold them together.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from ops_core.errors import IllegalMove
from ops_core.log import EventType, NewEvent

JsonObject = dict[str, Any]


class Status(StrEnum):
    """Where a task stands. Beside each state: who moves it on."""

    PENDING = "pending"
    """Runnable at `runnable_at`: a worker claims it, or a client cancels it, or its deadline passes."""

    RUNNING = "running"
    """Owned by one worker, which settles it; when the worker dies the dispatcher gives it back."""

    WAITING = "waiting"
    """Needs something from outside: an answer, a child, a timer. Whoever brings it moves it on."""

    COMPLETED = "completed"
    """Final for this generation: only a client's retry opens the next one."""

    FAILED = "failed"
    """Final for this generation, with `error.type` and a message a person can act on."""

    CANCELLED = "cancelled"
    """Final for this generation: a client asked for it."""


class Reason(StrEnum):
    """Why a task is in its state, where the state alone does not say."""

    QUEUED = "queued"
    DELAYED = "delayed"
    RETRYING = "retrying"
    RATE_LIMITED = "rate_limited"
    RECOVERED = "recovered"
    APPROVAL = "approval"
    INPUT = "input"
    CHILD = "child"
    TIMER = "timer"
    EFFECT_UNKNOWN = "effect_unknown"
    VERSION = "version"
    ERROR = "error"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BUDGET_EXHAUSTED = "budget_exhausted"
    POISON = "poison"
    NONDETERMINISTIC = "nondeterministic"
    REJECTED = "rejected"


#: The moves that exist. Terminal states absorb within a generation.
TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset(
        {Status.PENDING, Status.WAITING, Status.COMPLETED, Status.FAILED, Status.CANCELLED}
    ),
    Status.WAITING: frozenset({Status.PENDING, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

#: The reasons each state may carry; a state that is not named carries none.
REASONS: Final[dict[Status, frozenset[Reason]]] = {
    Status.PENDING: frozenset(
        {Reason.QUEUED, Reason.DELAYED, Reason.RETRYING, Reason.RATE_LIMITED, Reason.RECOVERED}
    ),
    Status.RUNNING: frozenset(),
    Status.WAITING: frozenset(
        {
            Reason.APPROVAL,
            Reason.INPUT,
            Reason.CHILD,
            Reason.TIMER,
            Reason.EFFECT_UNKNOWN,
            Reason.VERSION,
        }
    ),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(
        {
            Reason.ERROR,
            Reason.DEADLINE_EXCEEDED,
            Reason.BUDGET_EXHAUSTED,
            Reason.POISON,
            Reason.NONDETERMINISTIC,
            Reason.REJECTED,
        }
    ),
    Status.CANCELLED: frozenset(),
}

TERMINAL: Final[frozenset[Status]] = frozenset(s for s, to in TRANSITIONS.items() if not to)

#: From these a client's retry opens the next generation of the task, in place, on the same log.
REOPENED: Final[frozenset[Status]] = frozenset({Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed: `type` is the same string on every door, `message` says what to do next."""

    type: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a task has used so far. `cost_usd` counts only calls whose price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    steps: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            steps=self.steps + other.steps,
        )


NOTHING_USED: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a task is tried, and how long it rests between two attempts (seconds)."""

    max_attempts: int = 3
    backoff_s: float = 2.0
    max_backoff_s: float = 300.0

    def delay_s(self, attempt: int, *, jitter: float) -> float:
        """Rest after failed attempt number `attempt` (1, 2, …): exponential, capped, with `jitter` in [0, 1).

        Half of the rest is fixed and half is drawn: tasks that failed together do not return together.
        """
        # 2**64 already exceeds any cap; without the bound a large attempt would overflow a float.
        rest = min(self.max_backoff_s, self.backoff_s * 2.0 ** min(attempt - 1, 64))
        return rest * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A validated request, ready to be stored. Relative times start at the database's clock."""

    task_id: str
    tenant_id: str
    task_type: str
    input_data: JsonObject
    queue: str = "default"
    name: str | None = None
    agent: str = "default"
    thread_id: str | None = None
    priority: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    deadline_s: float | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    idempotency_key: str | None = None
    request_hash: str = ""
    """SHA-256 of the canonical request: the same key with another hash is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it is stored: the projection of its log. Times are aware, in UTC."""

    task_id: str
    tenant_id: str
    task_type: str
    queue: str
    name: str | None
    agent: str
    thread_id: str | None
    parent_task_id: str | None
    priority: int
    labels: dict[str, str]
    input_data: JsonObject
    result: JsonObject | None
    error: TaskError | None
    status: Status
    reason: str | None
    """A `Reason`, or a plain string: a newer build beside this one may give reasons unknown here."""

    attempt: int
    generation: int
    retry_policy: RetryPolicy
    usage: Usage
    owner: str | None
    epoch: int
    cancel_requested: bool
    last_seq: int
    created_at: datetime
    updated_at: datetime
    scheduled_at: datetime | None
    deadline_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


def submitted_data(new: NewTask) -> JsonObject:
    """What the first event of a task says: enough to make its row again."""
    asked = {
        "task_type": new.task_type,
        "agent": new.agent,
        "input_data": new.input_data,
        "name": new.name,
        "thread_id": new.thread_id,
        "priority": new.priority,
        "labels": new.labels,
        "scheduled_at": new.scheduled_at.isoformat() if new.scheduled_at else None,
        "deadline_s": new.deadline_s,
        "retry_policy": asdict(new.retry_policy),
    }
    return {key: value for key, value in asked.items() if value not in (None, {})}


def new_task_id() -> str:
    return f"task_{uuid4().hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A decided move: the state a task goes to, what it carries, and the event that records it."""

    to: Status
    event: NewEvent
    reason: Reason | None = None
    result: JsonObject | None = None
    error: TaskError | None = None
    delay_s: float = 0.0
    """For a move to pending: how long after the database's now the task is runnable again."""

    opens_generation: bool = False
    """The one way out of a terminal state: a client's `reopen`."""

    def __post_init__(self) -> None:
        allowed = REASONS[self.to]
        if (self.reason in allowed) if allowed else self.reason is None:
            return
        raise IllegalMove(f"a task cannot be {self.to} because of {self.reason}")

    @property
    def sources(self) -> frozenset[Status]:
        """The states this move may start from: the guard of its UPDATE."""
        if self.opens_generation:
            return REOPENED
        return frozenset(s for s, to in TRANSITIONS.items() if self.to in to)


def complete(result: JsonObject) -> Move:
    """The handler returned: running → completed."""
    event = NewEvent(type=EventType.TASK_COMPLETED, data={"result": result})
    return Move(to=Status.COMPLETED, event=event, result=result)


def fail(error: TaskError, reason: Reason = Reason.ERROR) -> Move:
    """No attempt is left, or none would help: → failed."""
    data = {"error": error_json(error), "reason": reason}
    return Move(
        to=Status.FAILED,
        reason=reason,
        error=error,
        event=NewEvent(type=EventType.TASK_FAILED, data=data),
    )


def retry(error: TaskError, delay_s: float) -> Move:
    """This attempt failed and another may succeed: running → pending after a rest of `delay_s` seconds."""
    reason = Reason.RATE_LIMITED if error.type == "rate_limited" else Reason.RETRYING
    data = {"why": reason, "error": error_json(error), "delay_s": round(delay_s, 3)}
    return Move(
        to=Status.PENDING,
        reason=reason,
        delay_s=delay_s,
        event=NewEvent(type=EventType.TASK_RELEASED, data=data),
    )


def release(why: str) -> Move:
    """The worker hands the task over unharmed (drain, or the worker died): running → pending, at once.

    It is not an attempt: the next claim counts on from the same number.
    """
    event = NewEvent(type=EventType.TASK_RELEASED, data={"why": why})
    return Move(to=Status.PENDING, reason=Reason.RECOVERED, event=event)


def cancel() -> Move:
    """A client asked for it: → cancelled."""
    return Move(to=Status.CANCELLED, event=NewEvent(type=EventType.TASK_CANCELLED))


def reopen(generation: int) -> Move:
    """A client retries an ended task: failed or cancelled → pending, in its next `generation`.

    Its attempts are counted anew and its deadline, if it has one, starts again. Its log goes on: finished
    steps are not made again.
    """
    event = NewEvent(type=EventType.TASK_RETRIED, data={"generation": generation})
    return Move(to=Status.PENDING, reason=Reason.QUEUED, event=event, opens_generation=True)


def error_json(error: TaskError) -> JsonObject:
    return {"type": error.type, "message": error.message, "retryable": error.retryable}


def deadline_exceeded() -> Move:
    """The deadline passed before the task reached an end: → failed."""
    error = TaskError(
        type="deadline_exceeded",
        message="The task did not finish before its deadline; submit it again with a larger deadline_s.",
    )
    return fail(error, Reason.DEADLINE_EXCEEDED)
