"""Checks one trial from outside: what clients were told, the ledger of effects, the database at the end.

It asks the code nothing but its table of moves (`log_trace`), and demands progress: a task is at its end,
where it may honestly be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from log_trace import check_row
from sweep_acts import Act
from sweep_ledger import Fact
from sweep_log import Row, StepLog
from sweep_program import EFFECTS, path_of
from sweep_site import Trial


def violations(act: Act, trial: Trial) -> list[str]:
    """Every broken promise, in words; empty when all were kept."""
    found = [fact["broken"] for fact in trial.facts if "broken" in fact]
    found += _accepted(act, trial)
    for task in trial.tasks:
        events = [event for event in trial.events if event["task_id"] == task["task_id"]]
        effects = [fact for fact in trial.facts if fact.get("task") == task["task_id"]]
        log = StepLog.of(events)
        found += [
            *log.wrong,
            *check_row(task, events),
            *_intents(effects, log),
            *_repeats(effects, log),
            *_keys(effects),
            *_end(act, task, log),
            *_told(task, log, trial.facts),
        ]
    return found


def _accepted(act: Act, trial: Trial) -> Iterator[str]:
    """What was accepted is there, once."""
    known = {task["task_id"] for task in trial.tasks}
    for fact in trial.facts:
        if fact.get("told") == "accepted" and fact["task_id"] not in known:
            yield "it was accepted and is gone"
    children = sum(task["parent_task_id"] is not None for task in trial.tasks)
    if len(known) - children > act.tasks or children > 1:
        yield "one request became two tasks"
    if not known and act.name != "submit":
        yield "the task is gone"


def _intents(effects: Sequence[Fact], log: StepLog) -> Iterator[str]:
    """What happened outside was announced in the log first, and what the log says did happen."""
    for fact in effects:
        if fact["effect"] == "unsafe" and fact["epoch"] not in log.intents[fact["path"]]:
            yield f"unsafe step {fact['path']} ran without its intent on disk"
    for path in log.steps.keys() - {fact["path"] for fact in effects}:
        yield f"step {path} was committed and never ran"


def _repeats(effects: Sequence[Fact], log: StepLog) -> Iterator[str]:
    """Nothing happened again that must not: not a committed step, and no unsafe one without a word."""
    for fact in effects:
        committed = log.steps.get(fact["path"])
        if committed is not None and fact["epoch"] > committed:
            yield f"step {fact['path']} ran again after it was committed"
    for (path, epoch), times in Counter((f["path"], f["epoch"]) for f in effects).items():
        if times > 1:
            yield f"step {path} ran {times} times under epoch {epoch}"
    unsafe = Counter(fact["path"] for fact in effects if fact["effect"] == "unsafe")
    for path, times in unsafe.items():
        if times > 1 + log.run_again[path]:
            yield f"unsafe step {path} ran {times} times, {log.run_again[path]} of them by a word"


def _keys(effects: Sequence[Fact]) -> Iterator[str]:
    """Whatever runs again carries the key that it carried before."""
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for fact in effects:
        keys[fact["path"]].add(fact["key"])
    yield from (f"step {path} ran with two keys" for path, used in keys.items() if len(used) > 1)


def _end(act: Act, task: Row, log: StepLog) -> Iterator[str]:
    """It came to rest, and for exactly the honest reason."""
    if task["status"] not in act.ends:
        yield f"it ended {task['status']} ({task['reason']}: {task['error']})"
    if silent := log.in_doubt - log.unknown:
        yield f"it {task['status']} and does not say that {silent} are in doubt"
    if task["status"] != "completed":
        return
    if log.in_doubt:
        yield f"it completed and nobody knows about {log.in_doubt}"
    values = [log.values.get(path_of(n)) for n in range(1, len(EFFECTS) + 1)]
    if task["result"] != {"values": values, "epoch": log.epoch}:
        yield "its result is not what its steps brought"


def _told(task: Row, log: StepLog, facts: Sequence[Fact]) -> Iterator[str]:
    """What its clients were told came true."""
    told = {fact["told"]: fact for fact in facts if "told" in fact}
    # Of a running task the owner may have finished it before it heard.
    if "cancel" in told and told["cancel"]["status"] == "cancelled" != task["status"]:
        yield f"its client was told that it is cancelled, and it {task['status']}"
    if "retry" in told and task["generation"] != 2:
        yield "its client was told that it runs again, and it does not"
