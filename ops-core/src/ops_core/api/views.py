"""What clients see: the JSON of a task, of a page of tasks and of a page of events."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from ops_core.amounts import Allowance
from ops_core.budgets.ledger import Budget
from ops_core.log import Event, rfc3339
from ops_core.ports import TaskPage
from ops_core.task import Reason, Status, Task, TaskError
from ops_core.task import Usage as TaskUsage


def plain_decimal(amount: Decimal) -> str:
    """Digits only, however small the amount: never an exponent."""
    return f"{amount:f}"


Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-01-01T12:00:00.000000Z"]}
    ),
]
Cost = Annotated[
    Decimal,
    PlainSerializer(plain_decimal, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)?$",
            "description": "A plain decimal.",
            "examples": ["0.000125"],
        }
    ),
]


class UsageView(BaseModel):
    """What a task has used so far; `cost_usd` counts only calls whose price is known."""

    input_tokens: int
    output_tokens: int
    cost_usd: Cost
    steps: int

    @classmethod
    def of(cls, usage: TaskUsage) -> Self:
        return cls(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            steps=usage.steps,
        )


class AllowanceView(BaseModel):
    """What may be used; null: as much as is wanted."""

    cost_usd: Cost | None
    tokens: int | None
    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, allowance: Allowance) -> Self:
        return cls(
            cost_usd=allowance.cost_usd,
            tokens=allowance.tokens,
            steps=allowance.steps,
            seconds=allowance.seconds,
        )


class ErrorView(BaseModel):
    """Why a task failed."""

    type: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: TaskError) -> Self:
        return cls(type=error.type, message=error.message, retryable=error.retryable)


class TaskView(BaseModel):
    """A task."""

    task_id: str = Field(examples=["task_0123456789abcdef0123456789abcdef"])
    task_type: str = Field(examples=["agent_run"])
    name: str | None
    status: Status
    reason: Reason | str | None = Field(
        description="Why it is in its state, where that alone does not say."
    )
    input_data: dict[str, Any] = Field(examples=[{"goal": "What is 17 * 23?"}])
    result: dict[str, Any] | None = Field(
        description="What it came to; null until the task has completed. Of one that failed because of a "
        "budget or a limit, what there was until then: `partial` is true."
    )
    error_message: str | None = Field(description="Repeats `error.message`.")
    error: ErrorView | None = Field(description="Null unless the task has failed.")
    agent: str
    agent_version: int | None = Field(
        description="The version that the task is tied to; null for the default agent."
    )
    thread_id: str | None
    parent_task_id: str | None
    priority: int
    labels: dict[str, str]
    tenant_id: str
    attempt: int
    generation: int
    waiting_for: list[dict[str, Any]] | None = Field(
        description="What a waiting task waits for: each `reason` and `step`, and what was asked.",
        examples=[[{"reason": "input", "step": "1/tool/1/input/1", "question": "Which one?"}]],
    )
    usage: UsageView
    created_at: Time
    updated_at: Time
    scheduled_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    dead_letter_at: Time | None = Field(
        description="When it became a dead letter; null once it was retried or discarded."
    )
    concurrency_key: str | None
    budget: AllowanceView | None = Field(
        description="What it and its children may use at most; null when it has no budget of its own."
    )
    budget_left: AllowanceView | None = Field(
        description="What of that is neither spent nor reserved; only where one task was asked for."
    )

    @classmethod
    def of(cls, task: Task, budget: Budget | None = None) -> Self:
        """`budget` is the task's own, as it stands."""
        return cls(
            task_id=task.task_id,
            task_type=task.task_type,
            name=task.name,
            status=task.status,
            reason=task.reason,
            input_data=task.input_data,
            result=task.result,
            error_message=task.error.message if task.error else None,
            error=ErrorView.of(task.error) if task.error else None,
            agent=task.agent,
            agent_version=task.agent_version,
            thread_id=task.thread_id,
            parent_task_id=task.parent_task_id,
            priority=task.priority,
            labels=task.labels,
            tenant_id=task.tenant_id,
            attempt=task.attempt,
            generation=task.generation,
            waiting_for=task.waiting_for,
            usage=UsageView.of(task.usage),
            created_at=task.created_at,
            updated_at=task.updated_at,
            scheduled_at=task.scheduled_at,
            started_at=task.started_at,
            completed_at=task.completed_at,
            dead_letter_at=task.dead_letter_at,
            concurrency_key=task.concurrency_key,
            budget=AllowanceView.of(task.budget) if task.budget else None,
            budget_left=AllowanceView.of(budget.left) if budget else None,
        )


class TaskPageView(BaseModel):
    """One page of tasks, newest first."""

    tasks: list[TaskView]
    total: int = Field(description="How many tasks match, on all pages.")
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: TaskPage) -> Self:
        tasks = [TaskView.of(task) for task in page.tasks]
        return cls(tasks=tasks, total=page.total, next_cursor=page.next_cursor)


class EventView(BaseModel):
    """The public part of one event; what replay keeps beside it is not for clients."""

    seq: int = Field(description="1, 2, 3, … for each task, without a gap.")
    type: str = Field(examples=["task.submitted"])
    v: int = Field(description="Version of the shape of `data`.")
    at: Time
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(seq=event.seq, type=event.type, v=event.v, at=event.at, data=event.data)


class EventPageView(BaseModel):
    """Events in order."""

    events: list[EventView]
    next_after: int = Field(description="`after` of the next page: the last `seq` seen so far.")

    @classmethod
    def of(cls, events: Sequence[Event], after: int) -> Self:
        views = [EventView.of(event) for event in events]
        return cls(events=views, next_after=views[-1].seq if views else after)
