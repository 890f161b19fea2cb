"""A task as it stands right after its submission."""

from datetime import datetime

from ops_core.task import NOTHING_USED, NewTask, Reason, Status, Task


def as_submitted(
    new: NewTask, *, now: datetime, is_delayed: bool, deadline_at: datetime | None
) -> Task:
    """The task of a request that was stored now, by the store's clock; its log has one event."""
    return Task(
        task_id=new.task_id,
        tenant_id=new.tenant_id,
        task_type=new.task_type,
        queue=new.queue,
        name=new.name,
        agent=new.agent,
        thread_id=new.thread_id,
        parent_task_id=new.parent_task_id,
        priority=new.priority,
        labels=new.labels,
        input_data=new.input_data,
        result=None,
        error=None,
        status=Status.PENDING,
        reason=Reason.DELAYED if is_delayed else Reason.QUEUED,
        attempt=0,
        generation=1,
        retry_policy=new.retry_policy,
        usage=NOTHING_USED,
        owner=None,
        epoch=0,
        cancel_requested=False,
        last_seq=1,
        created_at=now,
        updated_at=now,
        scheduled_at=new.scheduled_at,
        deadline_at=deadline_at,
        started_at=None,
        completed_at=None,
        agent_version=new.agent_version,
        handoffs=new.handoffs,
        concurrency_key=new.concurrency_key,
        gated=new.concurrency_key is not None,
        budget=new.budget,
        budget_ids=(new.task_id,) if new.budget else (),
    )
