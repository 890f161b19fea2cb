"""A task that is to be stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex

from ops_core.amounts import Allowance
from ops_core.hook import TaskHook
from ops_core.log import NewEvent
from ops_core.task.parts import JsonObject, RetryPolicy


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
    return f"task_{token_hex(16)}"
