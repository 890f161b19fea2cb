"""What the server answers with, as values. A field that this version does not know is kept, not refused."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")

#: States that a task leaves only by a retry.
ENDED: Final = frozenset({"completed", "failed", "cancelled"})


class View(BaseModel):
    """Read only; new fields of a newer server are in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Usage(View):
    """What a task has used so far; `cost_usd` counts only calls whose price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    steps: int = 0


class Allowance(View):
    """What may be used; None: as much as is wanted."""

    cost_usd: Decimal | None = None
    tokens: int | None = None
    steps: int | None = None
    seconds: float | None = None


class TaskError(View):
    """Why a task failed."""

    type: str
    message: str
    retryable: bool = False


class Task(View):
    """A task as it stood when the server answered."""

    task_id: str
    task_type: str
    status: str
    name: str | None = None
    reason: str | None = None
    input_data: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error_message: str | None = None
    error: TaskError | None = None
    agent: str = "default"
    agent_version: int | None = None
    thread_id: str | None = None
    parent_task_id: str | None = None
    priority: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    tenant_id: str = "default"
    attempt: int = 0
    generation: int = 1
    waiting_for: list[dict[str, Any]] | None = None
    usage: Usage = Field(default_factory=Usage)
    created_at: datetime
    updated_at: datetime
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    dead_letter_at: datetime | None = None
    concurrency_key: str | None = None
    budget: Allowance | None = None
    budget_left: Allowance | None = None
    """Only where one task was asked for."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it unless it is retried."""
        return self.status in ENDED

    @property
    def output(self) -> Any:
        """The final answer of an agent; None until there is one."""
        return self._output if self.status == "completed" else None

    @property
    def partial_output(self) -> Any:
        """What the agent had last said when a budget or a limit ended the task; `result` has the rest."""
        return self._output if self.status == "failed" else None

    @property
    def _output(self) -> Any:
        return None if self.result is None else self.result.get("output")


class Event(View):
    """One thing that happened to a task."""

    seq: int
    type: str
    v: int = 1
    at: datetime
    data: dict[str, Any] = Field(default_factory=dict)


class Step(View):
    """One step of a task: a call, a wait, a look at the clock."""

    step: str
    kind: str
    status: str
    name: str | None = None
    key: str | None = None
    effect: str | None = None
    arguments: Any = None
    output: Any = None
    truncated: bool = False
    why: str | None = None
    usage: dict[str, Any] | None = None
    cost_usd: Decimal | None = None
    resolution: dict[str, Any] | None = None
    attempt: int = 0
    generation: int = 1
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None


class Approval(View):
    """A call that needs a person's leave."""

    approval_id: str
    task_id: str
    step: str
    generation: int = 1
    status: str
    tool: str | None = None
    question: str | None = None
    arguments: Any = None
    hash: str | None = None
    sources: list[dict[str, Any]] | None = None
    decision: str | None = None
    comment: str | None = None
    given_arguments: dict[str, Any] | None = None
    resolved_by: str | None = None
    requested_at: datetime
    expires_at: datetime | None = None
    resolved_at: datetime | None = None


class Question(View):
    """What a task asks a person."""

    input_id: str
    task_id: str
    step: str
    generation: int = 1
    status: str
    question: str | None = None
    answer: Any = None
    resolved_by: str | None = None
    requested_at: datetime
    expires_at: datetime | None = None
    resolved_at: datetime | None = None


class Page(View, Generic[Item]):
    """Some of many, newest first."""

    items: list[Item]
    total: int | None = None
    next_cursor: str | None = None
