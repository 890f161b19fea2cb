"""Between rows and values: the one place that knows the columns of a task by name."""

from typing import Any

from ops_core.log import Event, EventType
from ops_core.task import Reason, RetryPolicy, Status, Task, TaskError, Usage

Row = Any
"""A row of SQLAlchemy: its columns are attributes."""


def task_of(row: Row) -> Task:
    return Task(
        task_id=row.task_id,
        tenant_id=row.tenant_id,
        task_type=row.task_type,
        queue=row.queue,
        name=row.name,
        agent=row.agent,
        thread_id=row.thread_id,
        parent_task_id=row.parent_task_id,
        priority=row.priority,
        labels=row.labels,
        input_data=row.input_data,
        result=row.result,
        error=TaskError(**row.error) if row.error else None,
        status=Status(row.status),
        reason=Reason(row.reason) if row.reason else None,
        attempt=row.attempt,
        generation=row.generation,
        retry_policy=RetryPolicy(**row.retry_policy),
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=row.cost_usd,
            steps=row.steps,
        ),
        owner=row.owner,
        epoch=row.epoch,
        cancel_requested=row.cancel_requested,
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        scheduled_at=row.scheduled_at,
        deadline_at=row.deadline_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )


def event_of(row: Row) -> Event:
    return Event(
        task_id=row.task_id,
        seq=row.seq,
        type=EventType(row.type),
        v=row.v,
        data=row.data,
        journal=row.journal,
        at=row.at,
    )
