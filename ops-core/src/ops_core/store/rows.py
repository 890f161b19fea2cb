"""Between rows and values: the one place that knows the columns of a task by name.

While a newer build is rolled out, its rows are read here too: what is additive there (a type of event, a
reason, a key of a JSON value) must not make a door or a worker of this build fail.
"""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from functools import lru_cache
from sys import intern
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from ops_core.amounts import Allowance
from ops_core.log import Event, EventType
from ops_core.ports import ChildEnd
from ops_core.task import NOTHING_USED, Reason, RetryPolicy, Status, Task, TaskError, Usage

Row = Any
"""A row of SQLAlchemy: its columns are attributes."""

Record = Any
"""A row of the driver: its columns are items."""

Value = TypeVar("Value", RetryPolicy, TaskError)


def task_of(row: Row) -> Task:
    return Task(
        task_id=row.task_id,
        tenant_id=intern(row.tenant_id),
        task_type=intern(row.task_type),
        queue=intern(row.queue),
        name=row.name,
        agent=intern(row.agent),
        thread_id=row.thread_id,
        parent_task_id=row.parent_task_id,
        priority=row.priority,
        labels=row.labels,
        input_data=row.input_data,
        result=row.result,
        error=_known_fields(TaskError, row.error) if row.error else None,
        status=Status(row.status),
        reason=_member(Reason, row.reason) if row.reason else None,
        attempt=row.attempt,
        generation=row.generation,
        retry_policy=_policy(_known_fields(RetryPolicy, row.retry_policy)),
        usage=_usage_of(row),
        owner=row.owner and intern(row.owner),
        epoch=row.epoch,
        cancel_requested=row.cancel_requested,
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        scheduled_at=row.scheduled_at,
        deadline_at=row.deadline_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        waiting_for=row.waiting_for,
        signals=row.signals,
        deaths=row.deaths,
        dependencies_left=row.dependencies_left,
        pins=_pins(tuple(row.pins or ())),
        dead_letter_at=row.dead_letter_at,
        agent_version=row.agent_version,
        handoffs=row.handoffs or _NO_HANDOFFS,
        concurrency_key=row.concurrency_key,
        gated=row.gated,
        budget=Allowance.of(row.budget) if row.budget else None,
        budget_ids=tuple(row.budget_ids or ()),
        # Only a claim looks for them.
        tenant_budget_ids=tuple(getattr(row, "tenant_budget_ids", ())),
    )


_NO_HANDOFFS: Final[Mapping[str, int]] = {}

# Ten thousand tasks of one worker wait for their models at once, and are of a few kinds: what is equal in
# them is kept once.


@lru_cache(maxsize=1024)
def _policy(stored: RetryPolicy) -> RetryPolicy:
    return stored


@lru_cache(maxsize=1024)
def _pins(stored: tuple[str, ...]) -> tuple[str, ...]:
    return stored


def task_of_record(record: Record) -> Task:
    return task_of(SimpleNamespace(**record))


def _usage_of(row: Row) -> Usage:
    if not (row.steps or row.input_tokens or row.output_tokens or row.cost_usd):
        return NOTHING_USED
    return Usage(
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_usd,
        steps=row.steps,
    )


def child_end_of(row: Row) -> ChildEnd:
    error = _known_fields(TaskError, row.error) if row.error else None
    return ChildEnd(task_id=row.task_id, status=Status(row.status), result=row.result, error=error)


def event_of(row: Row) -> Event:
    return Event(
        task_id=row.task_id,
        seq=row.seq,
        type=_member(EventType, row.type),
        v=row.v,
        data=row.data,
        journal=row.journal,
        at=row.at,
    )


def _member(known: type[StrEnum], value: str) -> str:
    """The member for a value that this build knows, else the value itself."""
    return known(value) if value in known.__members__.values() else value


def _known_fields(kind: type[Value], stored: Mapping[str, Any]) -> Value:
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in stored.items() if name in names})
