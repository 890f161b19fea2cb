"""Checks what a storm left behind against what was promised. Reads the database; asks the code nothing
but its table of moves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ops_core.task import TRANSITIONS, Status

Row = Mapping[str, Any]

#: The state that each event leaves a task in; events that are not here leave it where it is.
_LEADS_TO = {
    "task.submitted": Status.PENDING,
    "task.claimed": Status.RUNNING,
    "task.released": Status.PENDING,
    "task.completed": Status.COMPLETED,
    "task.failed": Status.FAILED,
    "task.cancelled": Status.CANCELLED,
}

_STEPS = {"llm.completed", "tool.completed", "tool.failed"}


def violations(tasks: Sequence[Row], events: Sequence[Row], accepted: set[str]) -> list[str]:
    """Every broken promise, in words; empty when all were kept."""
    logs: dict[str, list[Row]] = {task["task_id"]: [] for task in tasks}
    for event in sorted(events, key=lambda event: (event["task_id"], event["seq"])):
        logs[event["task_id"]].append(event)
    found = [f"{task_id} was accepted and is gone" for task_id in accepted - set(logs)]
    for task in tasks:
        found += [f"{task['task_id']}: {what}" for what in _of(task, logs[task["task_id"]])]
    return found


def _of(task: Row, log: Sequence[Row]) -> list[str]:
    return [
        *_numbering(task, log),
        *_moves(task, log),
        *_steps(log),
        *_bill(task, log),
    ]


def _numbering(task: Row, log: Sequence[Row]) -> list[str]:
    if [event["seq"] for event in log] != list(range(1, task["last_seq"] + 1)):
        return ["its log has a gap, a repeat or an event too many"]
    return []


def _moves(task: Row, log: Sequence[Row]) -> list[str]:
    found = []
    state: Status | None = None
    for event in log:
        to = _LEADS_TO.get(event["type"])
        if state is not None and not TRANSITIONS[state]:
            found.append(f"{event['type']} after its end")
        if to is None:
            if state is not Status.RUNNING and event["type"] in _STEPS:
                found.append(f"a step while it was {state}")
            continue
        if state is not None and to not in TRANSITIONS[state]:
            found.append(f"a move from {state} to {to}")
        state = to
    if state != task["status"]:
        found.append(f"its row says {task['status']} and its log {state}")
    if state is not None and TRANSITIONS[state]:
        found.append(f"it never ended: {state}")
    return found


def _steps(log: Sequence[Row]) -> list[str]:
    paths = Counter(event["journal"]["path"] for event in log if event["type"] in _STEPS)
    return [
        f"step {path} was committed {times} times" for path, times in paths.items() if times > 1
    ]


def _bill(task: Row, log: Sequence[Row]) -> list[str]:
    calls = [event["data"] for event in log if event["type"] == "llm.completed"]
    billed = (
        sum(call["usage"]["input_tokens"] for call in calls),
        sum((Decimal(call["cost_usd"]) for call in calls), Decimal(0)),
        len(calls),
    )
    if billed != (task["input_tokens"], task["cost_usd"], task["steps"]):
        return [f"its bill is not the sum of its steps: {billed}"]
    return []
