"""A task as the store gives it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ops_core.amounts import Allowance
from ops_core.task.parts import JsonObject, RetryPolicy, TaskError, Usage
from ops_core.task.states import TERMINAL, Status


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
