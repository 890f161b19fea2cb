"""Checks what a storm left behind against what was promised. It reads what clients were told, the outside
ledger of effects and the database, and asks the code nothing but its table of moves."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ops_core.task import REOPENED, TRANSITIONS, Status
from support.ledger_tools import Effect

Row = Mapping[str, Any]

#: The state that each event leaves a task in; events that are not here leave it where it is.
_LEADS_TO = {
    "task.submitted": Status.PENDING,
    "task.claimed": Status.RUNNING,
    "task.released": Status.PENDING,
    "task.waiting": Status.WAITING,
    "task.woken": Status.PENDING,
    "task.completed": Status.COMPLETED,
    "task.failed": Status.FAILED,
    "task.cancelled": Status.CANCELLED,
    "task.retried": Status.PENDING,
}

#: Where a storm may leave no task once it has healed.
_UNDER_WAY = {Status.PENDING, Status.RUNNING}

#: Events that finish a step, which may be finished only once.
_STEPS = {
    *("llm.completed", "tool.completed", "tool.failed"),
    *("step.recorded", "timer.fired", "input.received", "approval.resolved"),
}

#: Those of them that only the owner of a running task may write.
_WORK = {"llm.completed", "tool.completed", "tool.failed", "step.recorded", "timer.fired"}

#: Events after which a call that was under way may have been paid for without being on disk.
_CUTS = {"task.released", "task.waiting", "task.cancelled", "task.failed"}

#: The tool of the ledger that must never run twice.
_ONCE = "record_once"


@dataclass
class Told:
    """What clients were told."""

    accepted: dict[str, str] = field(default_factory=dict)
    """The goal of each task that was answered with 201 or 200, by id."""

    cancelled: dict[tuple[str, int], str] = field(default_factory=dict)
    """The status told for each acknowledged cancellation, by task and generation."""

    retried: set[tuple[str, int]] = field(default_factory=set)
    """Task and generation of each acknowledged retry."""

    deadlines: set[str] = field(default_factory=set)
    """The tasks that may fail of their deadline."""

    wrong: list[str] = field(default_factory=list)
    """Answers that no client should get, in words."""


def violations(
    tasks: Sequence[Row],
    events: Sequence[Row],
    accepted: Collection[str],
    told: Told | None = None,
) -> list[str]:
    """Every broken promise, in words; empty when all were kept."""
    logs = _logs(tasks, events)
    told = told or Told()
    found = [f"{task_id} was accepted and is gone" for task_id in set(accepted) - set(logs)]
    for task in tasks:
        found += [f"{task['task_id']}: {what}" for what in _of(task, logs[task["task_id"]])]
    found += told.wrong
    for (task_id, generation), status in told.cancelled.items():
        log = _generation(logs.get(task_id, []), generation)
        found += [f"{task_id}: {what}" for what in _cancelled(log, status)]
    for task_id, generation in told.retried:
        if not _generation(logs.get(task_id, []), generation):
            found.append(f"{task_id}: retried into generation {generation}, which is not there")
    return found


def unpaid(
    tasks: Sequence[Row], events: Sequence[Row], asked: Mapping[tuple[str, int], int]
) -> list[str]:
    """Model calls that were made again without a reason.

    `asked`: how often the model was asked for each step of each goal. A call may be made again only when a
    worker lost its task, or was told to stop, while it was under way.
    """
    logs = _logs(tasks, events)
    calls: Counter[str] = Counter()
    for (goal, _), times in asked.items():
        calls[goal] += times
    found = []
    for task in tasks:
        log = logs[task["task_id"]]
        made = calls[task["input_data"]["goal"]]
        kept = sum(event["type"] == "llm.completed" for event in log)
        cuts = sum(event["type"] in _CUTS for event in log)
        if not kept <= made <= kept + cuts:
            found.append(f"{task['task_id']}: {made} calls, {kept} on disk, cut off {cuts} times")
    return found


def effects_gone_wrong(
    tasks: Sequence[Row], events: Sequence[Row], ledger: Sequence[Effect]
) -> Iterator[str]:
    """Effects that were done twice, or without an intent on disk, or under two keys, or told and not done."""
    logs = _logs(tasks, events)
    by_goal = {task["input_data"]["goal"]: logs[task["task_id"]] for task in tasks}
    done: dict[tuple[str, str, str], list[str]] = {}
    for effect in ledger:
        done.setdefault((effect.goal, effect.tool, effect.entry), []).append(effect.key)
    for what, keys in done.items():
        for wrong in _done_wrongly(what, keys, by_goal.get(what[0], [])):
            yield f"{' '.join(what)}: {wrong}"
    for goal, log in by_goal.items():
        for tool, entry in _told_done(log):
            if (goal, tool, entry) not in done:
                yield f"{goal} {tool} {entry}: told to be done and is not"


def _done_wrongly(
    what: tuple[str, str, str], keys: Sequence[str], log: Sequence[Row]
) -> Iterator[str]:
    _, tool, entry = what
    if len(set(keys)) > 1:
        yield f"done under {len(set(keys))} keys"
    if tool == _ONCE and len(keys) > 1:
        yield f"done {len(keys)} times"
    if tool == _ONCE and not _said(log, "tool.dispatched", tool, entry):
        yield "done, and its intent is not on disk"


def _said(log: Sequence[Row], kind: str, tool: str, entry: str) -> bool:
    return any(
        event["type"] == kind
        and event["data"]["tool"] == tool
        and event["data"]["arguments"].get("entry") == entry
        for event in log
    )


def _told_done(log: Sequence[Row]) -> Iterator[tuple[str, str]]:
    for event in log:
        if event["type"] == "tool.completed" and "entry" in event["data"]["arguments"]:
            yield event["data"]["tool"], event["data"]["arguments"]["entry"]


def _logs(tasks: Sequence[Row], events: Sequence[Row]) -> dict[str, list[Row]]:
    logs: dict[str, list[Row]] = {task["task_id"]: [] for task in tasks}
    for event in sorted(events, key=lambda event: (event["task_id"], event["seq"])):
        logs[event["task_id"]].append(event)
    return logs


def _of(task: Row, log: Sequence[Row]) -> Iterator[str]:
    yield from _numbering(task, log)
    # A fork begins with copies of its source's steps, which it neither made nor paid for.
    own = [event for event in log if "copied" not in event["data"]]
    yield from _moves(task, own)
    yield from _steps(own)
    yield from _bill(task, own)
    yield from _obedience(log)


def _numbering(task: Row, log: Sequence[Row]) -> Iterator[str]:
    if [event["seq"] for event in log] != list(range(1, task["last_seq"] + 1)):
        yield "its log has a gap, a repeat or an event too many"


def _moves(task: Row, log: Sequence[Row]) -> Iterator[str]:
    state: Status | None = None
    for event in log:
        if not _may_come(event["type"], state):
            yield f"{event['type']} while it was {state}"
        state = _LEADS_TO.get(event["type"], state)
    if state != task["status"]:
        yield f"its row says {task['status']} and its log {state}"
    if state in _UNDER_WAY:
        yield f"it never ended: {state}"


def _may_come(kind: str, state: Status | None) -> bool:
    """Whether an event of this kind may follow in a task that is in this state."""
    if state is None:
        return kind == "task.submitted"
    if kind == "task.retried":
        return state in REOPENED
    if kind in _LEADS_TO:
        return _LEADS_TO[kind] in TRANSITIONS[state]
    return state is Status.RUNNING if kind in _WORK else bool(TRANSITIONS[state])


def _steps(log: Sequence[Row]) -> Iterator[str]:
    paths = Counter(
        event["journal"]["path"]
        for event in log
        # `again`: it failed before its effect, and is made anew.
        if event["type"] in _STEPS and not event["journal"].get("again")
    )
    for path, times in paths.items():
        if times > 1:
            yield f"step {path} was committed {times} times"


def _bill(task: Row, log: Sequence[Row]) -> Iterator[str]:
    paid = {"llm.completed", "llm.failed"}
    calls = [event["data"] for event in log if event["type"] in paid]
    billed = (
        sum(call["usage"]["input_tokens"] for call in calls),
        sum((Decimal(call["cost_usd"]) for call in calls), Decimal(0)),
        len(calls),
    )
    if billed != (task["input_tokens"], task["cost_usd"], task["steps"]):
        yield f"its bill is not the sum of its steps: {billed}"


def _obedience(log: Sequence[Row]) -> Iterator[str]:
    """After a cancellation was asked for, no worker may take the task, and no effect may be started."""
    asked = False
    for event in log:
        match event["type"]:
            case "task.cancel_requested":
                asked = True
            case "task.retried":
                asked = False
            case "task.claimed" | "tool.dispatched" if asked:
                yield f"{event['type']} after it was to be cancelled"


def _generation(log: Sequence[Row], number: int) -> list[Row]:
    """The events of one generation; the first begins with the submit, each other with its retry."""
    current, found = 1, []
    for event in log:
        if event["type"] == "task.retried":
            current = event["data"]["generation"]
        if current == number:
            found.append(event)
    return found


def _cancelled(log: Sequence[Row], told: str) -> Iterator[str]:
    """A generation whose cancellation was acknowledged: told as done it is; told as asked for it ends."""
    ends = [event["type"] for event in log if event["type"] in _ENDS]
    if told == "cancelled" and ends != ["task.cancelled"]:
        yield f"told to be cancelled, and its ends are {ends}"
    if told != "cancelled" and len(ends) != 1:
        yield f"asked to be cancelled, and its ends are {ends}"


_ENDS = {"task.completed", "task.failed", "task.cancelled"}
