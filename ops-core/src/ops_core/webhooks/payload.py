"""The body of a delivery: `{type, timestamp, data}`, bounded."""

import json
from dataclasses import asdict
from typing import Final

from ops_core.log import Event, rfc3339
from ops_core.task import JsonObject, Task
from ops_core.webhooks.model import Claimed

#: The type of what `POST /webhooks/{id}/test` sends; no event of a task has it.
TEST: Final = "webhook.test"

#: Receivers refuse large bodies. What is left out is read from the task itself. Bytes.
MAX_BODY: Final = 262_144


def payload(claimed: Claimed) -> bytes:
    """The event as it stands in the log, and the task as it is now. At most `MAX_BODY`."""
    delivery = claimed.delivery
    if claimed.event is None or claimed.task is None:
        return _dump(TEST, rfc3339(delivery.created_at), {"webhook_id": delivery.webhook_id})
    whole = _body(claimed.event, claimed.task, truncated=False)
    if len(whole) <= MAX_BODY:
        return whole
    return _body(claimed.event, claimed.task, truncated=True)


def is_whole(claimed: Claimed) -> bool:
    """Whether `payload` left nothing out."""
    event, task = claimed.event, claimed.task
    return event is None or task is None or len(_body(event, task, truncated=False)) <= MAX_BODY


def _body(event: Event, task: Task, *, truncated: bool) -> bytes:
    """`truncated`: without what may be large, the data of the event and what came of the task."""
    told = _told(task)
    if truncated:
        told |= {"result": None, "error": None, "waiting_for": None}
    data = {
        "task_id": task.task_id,
        "seq": event.seq,
        "v": event.v,
        "event": None if truncated else event.data,
        "task": told,
        "truncated": truncated,
    }
    return _dump(str(event.type), rfc3339(event.at), data)


def _told(task: Task) -> JsonObject:
    """Not its input: whoever submitted it has that, and a receiver may be somebody else."""
    return {
        "task_id": task.task_id,
        "task_type": task.task_type,
        "name": task.name,
        "agent": task.agent,
        "thread_id": task.thread_id,
        "parent_task_id": task.parent_task_id,
        "labels": task.labels,
        "status": str(task.status),
        "reason": None if task.reason is None else str(task.reason),
        "attempt": task.attempt,
        "generation": task.generation,
        "waiting_for": task.waiting_for,
        "result": task.result,
        "error": None if task.error is None else asdict(task.error),
        "created_at": rfc3339(task.created_at),
        "completed_at": rfc3339(task.completed_at) if task.completed_at else None,
    }


def _dump(type_: str, timestamp: str, data: JsonObject) -> bytes:
    found = {"type": type_, "timestamp": timestamp, "data": data}
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
