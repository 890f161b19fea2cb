"""Tasks as A2A shows them."""

import json
from typing import Any, Final

from ops_core.agent_tasks import answer_of, partial_of, structured_of
from ops_core.following import needs_someone
from ops_core.task import JsonObject, Status, Task

#: The states, and what a client may ask to list by each.
STATES: Final = {
    "TASK_STATE_SUBMITTED": Status.PENDING,
    "TASK_STATE_WORKING": Status.RUNNING,
    "TASK_STATE_INPUT_REQUIRED": Status.WAITING,
    "TASK_STATE_COMPLETED": Status.COMPLETED,
    "TASK_STATE_FAILED": Status.FAILED,
    "TASK_STATE_CANCELED": Status.CANCELLED,
}
_NAMES: Final = {status: name for name, status in STATES.items()}


def state_of(task: Task) -> str:
    """A task that was begun and waits for a worker, a child or a timer works: it needs nobody."""
    if task.status is Status.WAITING and not needs_someone(task):
        return "TASK_STATE_WORKING"
    if task.status is Status.PENDING and task.started_at is not None:
        return "TASK_STATE_WORKING"
    return _NAMES[task.status]


def context_of(task: Task) -> str:
    """A task that belongs to no thread is a context of its own."""
    return task.thread_id or task.task_id


def task_view(task: Task, *, history: int | None = None, artifacts: bool = True) -> JsonObject:
    """The whole task. `history`: how many messages at most; None: all that there are."""
    view: JsonObject = {
        "id": task.task_id,
        "contextId": context_of(task),
        "status": status_view(task),
        "history": [] if history == 0 else [_goal(task)],
        "metadata": {"status": task.status, "reason": task.reason, "agent": task.agent},
    }
    # Who lists tasks without them gets no such field, says the specification, not an empty one.
    return view | ({"artifacts": artifacts_of(task)} if artifacts else {})


def status_view(task: Task) -> JsonObject:
    """Its state, since when, and what it says to the client."""
    at = task.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    view: JsonObject = {"state": state_of(task), "timestamp": at}
    parts = _words(task)
    if parts:
        view["message"] = {
            "messageId": f"{task.task_id}/{task.last_seq}",
            "contextId": context_of(task),
            "taskId": task.task_id,
            "role": "ROLE_AGENT",
            "parts": parts,
        }
    return view


def artifacts_of(task: Task) -> list[JsonObject]:
    """The answer, as text and, where there is one, as JSON; or what there was when the task was cut short."""
    if task.result is None:
        return []
    partial = partial_of(task)
    if partial is not None:
        return [_partial(partial)]
    answer, structured = answer_of(task), structured_of(task)
    parts: list[JsonObject] = [] if answer is None else [{"text": answer}]
    if structured is not None:
        parts.append({"data": structured})
    if not parts:
        parts.append({"data": task.result})
    return [{"artifactId": "answer", "name": "answer", "parts": parts}]


def _partial(partial: JsonObject) -> JsonObject:
    said = partial.get("output")
    parts: list[JsonObject] = [{"text": said}] if isinstance(said, str) else []
    return {
        "artifactId": "partial",
        "name": "what there was",
        "parts": [*parts, {"data": partial}],
        "metadata": {"partial": True},
    }


def _words(task: Task) -> list[JsonObject]:
    """Why it failed, or what it needs: the question as text, and all there is to know as JSON."""
    if task.error is not None:
        data = {"type": task.error.type, "retryable": task.error.retryable}
        return [{"text": task.error.message}, {"data": data}]
    if not needs_someone(task):
        return []
    waits: list[Any] = task.waiting_for or []
    questions = [str(wait["question"]) for wait in waits if wait.get("question")]
    return [*({"text": text} for text in questions), {"data": {"waiting_for": waits}}]


def _goal(task: Task) -> JsonObject:
    goal = task.input_data.get("goal")
    text = goal if isinstance(goal, str) else json.dumps(task.input_data, ensure_ascii=False)
    return {
        "messageId": f"{task.task_id}/1",
        "contextId": context_of(task),
        "taskId": task.task_id,
        "role": "ROLE_USER",
        "parts": [{"text": text}],
    }
