"""A task, and the states it can be in. The moves between them are decided in `ops_core.moves`.

The same rules stand a second time as CHECK constraints in the migration, and a third time as the picture in
`docs/lifecycle.md`; tests hold them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from ops_core.amounts import Allowance
from ops_core.hook import TaskHook
from ops_core.log import NewEvent, rfc3339

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

    def json(self) -> JsonObject:
        return {
            "max_attempts": self.max_attempts,
            "backoff_s": self.backoff_s,
            "max_backoff_s": self.max_backoff_s,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing that a task waits for, at one step of its program."""

    reason: Reason
    step: str
    """The step's path."""

    detail: JsonObject = field(default_factory=dict)
    """Public: what a client needs to know to bring it (the question, the call in doubt, the children)."""

    until: datetime | None = None
    """When the task wakes by itself; None: only something from outside wakes it."""

    children_needed: int | None = None
    """How many children must end before it is worth looking again."""

    def public(self) -> JsonObject:
        """What clients see of it."""
        until = {"until": rfc3339(self.until)} if self.until else {}
        # What was recorded of a call says `step` for its number: who resolves it needs the path.
        return {**self.detail, "reason": self.reason, "step": self.step, **until}


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
    agent_version: int | None = None
    """The version of the agent that it is tied to; None for an agent that has none."""

    handoffs: Mapping[str, int] = field(default_factory=dict)
    """The versions of the agents that work may be handed over to, by what definitions call them."""

    thread_id: str | None = None
    on_busy: str | None = None
    """What becomes of it while another task of its thread is under way; None: what the thread says."""

    priority: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    deadline_s: float | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    parent_task_id: str | None = None
    depends_on: tuple[str, ...] = ()
    """Tasks that must have completed before this one may run."""

    concurrency_key: str | None = None
    """Of the tasks with one key only so many run at once."""

    budget: Allowance | None = None
    """What it and its children may use at most."""

    idempotency_key: str | None = None
    request_hash: str = ""
    """SHA-256 of the canonical request: the same key with another hash is refused."""

    forked_from: JsonObject | None = None
    """The task and the `seq` that this one shares its log with."""

    webhook: TaskHook | None = None
    """Where its events are sent; never part of its log, for it has a secret."""

    steps: Sequence[NewEvent] = ()
    """For a fork: the events that its log begins with, after its first."""


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

    waiting_for: list[JsonObject] | None = None
    """What a waiting task waits for, as clients see it."""

    signals: int = 0
    """How often something came from outside for its handler: an answer, a child's end."""

    deaths: int = 0
    """How many workers' processes died under its current step."""

    dependencies_left: int = 0

    pins: tuple[str, ...] = ()
    """The versions it is tied to since its first claim."""

    dead_letter_at: datetime | None = None

    agent_version: int | None = None
    """The version of its agent that it has been tied to since it was submitted."""

    handoffs: Mapping[str, int] = field(default_factory=dict)
    """Those of the agents that work may be handed over to."""

    concurrency_key: str | None = None
    gated: bool = False
    """Whether it waits for others with its key to end."""

    budget: Allowance | None = None
    budget_ids: tuple[str, ...] = ()
    """The budgets of tasks that it draws on: its own, and those of the tasks above it."""

    tenant_budget_ids: tuple[str, ...] = ()
    """Of a claimed task: its tenant's own budgets."""

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


def submitted_data(new: NewTask) -> JsonObject:
    """What the first event of a task says: enough to make its row again."""
    asked = {
        "task_type": new.task_type,
        "agent": new.agent,
        "agent_version": new.agent_version,
        "handoffs": dict(new.handoffs),
        "input_data": new.input_data,
        "name": new.name,
        "thread_id": new.thread_id,
        "on_busy": new.on_busy,
        "priority": new.priority,
        "labels": new.labels,
        "scheduled_at": new.scheduled_at.isoformat() if new.scheduled_at else None,
        "deadline_s": new.deadline_s,
        "retry_policy": new.retry_policy.json(),
        "parent_task_id": new.parent_task_id,
        "depends_on": list(new.depends_on),
        "concurrency_key": new.concurrency_key,
        "budget": new.budget.json() if new.budget else None,
        "forked_from": new.forked_from,
    }
    return {key: value for key, value in asked.items() if value not in (None, {}, [])}


def new_task_id() -> str:
    return f"task_{uuid4().hex}"
