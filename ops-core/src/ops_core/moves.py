"""The moves between a task's states: one verb for each outcome.

Everything here is pure: a move is decided from a task and returned as a value; a store applies it in one
guarded statement together with its event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ops_core.errors import IllegalMove
from ops_core.log import EventType, NewEvent
from ops_core.task import (
    REASONS,
    REOPENED,
    TRANSITIONS,
    JsonObject,
    Reason,
    Status,
    Task,
    TaskError,
    Wait,
)

#: After so many deaths of workers under one step a task runs alone, where it can take nobody with it.
SUSPECT_DEATHS: Final = 2

#: After so many more, alone, it is convicted. Not after one: that may have been the death of its machine, of
#: its container, or a kill that was meant for another process.
LONE_DEATHS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A decided move: the state a task goes to, what it carries, and the event that records it."""

    to: Status
    event: NewEvent
    reason: Reason | None = None
    result: JsonObject | None = None
    error: TaskError | None = None
    delay_s: float = 0.0
    """For a move to pending: how long after the database's now the task is runnable again."""

    comes_from: Status | None = None
    """The only state it may start from, where its kind narrows what the state machine allows."""

    opens_generation: bool = False
    """The one way out of a terminal state: a client's `reopen`."""

    waits: Sequence[Wait] = ()
    """For a move to waiting: everything that the task waits for; the first to come wakes it."""

    seen_signals: int = 0
    """For a move to waiting: `Task.signals` as the run knew it. More by now, and it must look again."""

    doubt: str | None = None
    """For an end that comes from outside: why nobody knows how the calls under way came out. The log gets
    that said of each of them, before the end itself."""

    died: bool = False
    """The worker's process died under the task: one more suspicion against its step."""

    dead_letter: bool = False
    """For a failure that an operator should look at: the task is kept until that is done."""

    def __post_init__(self) -> None:
        allowed = REASONS[self.to]
        if (self.reason in allowed) if allowed else self.reason is None:
            return
        raise IllegalMove(f"a task cannot be {self.to} because of {self.reason}")

    @property
    def sources(self) -> frozenset[Status]:
        """The states this move may start from: the guard of its UPDATE."""
        if self.opens_generation:
            return REOPENED
        legal = frozenset(s for s, to in TRANSITIONS.items() if self.to in to)
        return legal if self.comes_from is None else legal & {self.comes_from}


def complete(result: JsonObject) -> Move:
    """The handler returned: running → completed."""
    event = NewEvent(type=EventType.TASK_COMPLETED, data={"result": result})
    return Move(to=Status.COMPLETED, event=event, result=result)


def fail(
    error: TaskError,
    reason: Reason = Reason.ERROR,
    *,
    dead_letter: bool = False,
    partial: JsonObject | None = None,
) -> Move:
    """No attempt is left, or none would help: → failed. `partial` is what there was until then."""
    data: JsonObject = {"error": error_json(error), "reason": reason}
    if partial is not None:
        data["result"] = partial
    return Move(
        to=Status.FAILED,
        reason=reason,
        result=partial,
        error=error,
        dead_letter=dead_letter,
        doubt="the task failed",
        event=NewEvent(type=EventType.TASK_FAILED, data=data),
    )


def retry(error: TaskError, delay_s: float) -> Move:
    """This attempt failed and another may succeed: running → pending after a rest of `delay_s` seconds."""
    reason = Reason.RATE_LIMITED if error.type == "rate_limited" else Reason.RETRYING
    data = {"why": reason, "error": error_json(error), "delay_s": round(delay_s, 3)}
    return Move(
        to=Status.PENDING,
        reason=reason,
        comes_from=Status.RUNNING,
        delay_s=delay_s,
        event=NewEvent(type=EventType.TASK_RELEASED, data=data),
    )


def release(why: str) -> Move:
    """The worker hands the task over unharmed (drain, or the worker died): running → pending, at once.

    It is not an attempt: the next claim counts on from the same number.
    """
    event = NewEvent(type=EventType.TASK_RELEASED, data={"why": why})
    return Move(to=Status.PENDING, reason=Reason.RECOVERED, comes_from=Status.RUNNING, event=event)


def wait(waits: Sequence[Wait], seen_signals: int) -> Move:
    """The handler needs something from outside: running → waiting, and nothing of it stays in memory."""
    first = waits[0]
    data = {"reason": first.reason, "waiting_for": [each.public() for each in waits]}
    return Move(
        to=Status.WAITING,
        reason=first.reason,
        waits=waits,
        seen_signals=seen_signals,
        event=NewEvent(type=EventType.TASK_WAITING, data=data),
    )


def wake(why: str) -> Move:
    """What the task waited for may have come: waiting → pending; its handler finds out by replaying."""
    event = NewEvent(type=EventType.TASK_WOKEN, data={"why": why})
    return Move(to=Status.PENDING, reason=Reason.QUEUED, comes_from=Status.WAITING, event=event)


def cancel(why: str | None = None) -> Move:
    """A client asked for it: → cancelled."""
    event = NewEvent(type=EventType.TASK_CANCELLED, data={"why": why} if why else {})
    return Move(to=Status.CANCELLED, event=event, doubt="the task was cancelled")


def reopen(generation: int) -> Move:
    """A client retries an ended task: failed or cancelled → pending, in its next `generation`.

    Its attempts are counted anew and its deadline, if it has one, starts again. Its log goes on: finished
    steps are not made again.
    """
    event = NewEvent(type=EventType.TASK_RETRIED, data={"generation": generation})
    return Move(to=Status.PENDING, reason=Reason.QUEUED, event=event, opens_generation=True)


def orphaned(task: Task, *, killed: bool, alone: bool) -> Move:
    """What becomes of a task whose worker is dead: cancelled if a client asked for it, else given back.

    `killed`: the worker's process is gone, not only silent; that is a suspicion against the task. `alone`:
    the task was the only one there; if that was so the last time too, it is convicted.
    """
    if task.cancel_requested:
        return cancel()
    deaths = task.deaths + killed
    if killed and alone and deaths >= SUSPECT_DEATHS + LONE_DEATHS:
        return poison(deaths)
    return replace(release("worker_died"), died=killed)


def poison(deaths: int) -> Move:
    """The task kills whatever worker runs it: → failed, and kept for an operator."""
    error = TaskError(
        type="poison",
        message=f"{deaths} workers died while they ran this step of the task, the last of them with nothing "
        "else to do; find out why (memory, a crashing library), then retry the task.",
    )
    move = fail(error, Reason.POISON, dead_letter=True)
    return replace(move, doubt="the worker died", died=True)


def met(move: Move, task: Task) -> Move:
    """What a settlement becomes when it meets what happened to the task while it ran.

    A cancel that was accepted must not be forgotten with the run, and a signal that the run has not read
    must not be slept through.
    """
    if move.to in {Status.PENDING, Status.WAITING} and task.cancel_requested:
        return cancel()
    if move.to is Status.WAITING and task.signals > move.seen_signals:
        return release("signalled")
    return move


def dependency_failed(needed: Task) -> Move:
    """A task that this one needs will not complete: → failed, without having run."""
    error = TaskError(
        type="dependency_failed",
        message=f"The task {needed.task_id}, which this one depends on, is {needed.status}; retry that one "
        "first, then this one.",
    )
    return fail(error, Reason.REJECTED)


def error_json(error: TaskError) -> JsonObject:
    return {"type": error.type, "message": error.message, "retryable": error.retryable}


def deadline_exceeded() -> Move:
    """The deadline passed before the task reached an end: → failed."""
    error = TaskError(
        type="deadline_exceeded",
        message="The task did not finish before its deadline; submit it again with a larger deadline_s.",
    )
    return replace(fail(error, Reason.DEADLINE_EXCEEDED), doubt="the deadline passed")
