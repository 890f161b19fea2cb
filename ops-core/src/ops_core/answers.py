"""What a client brings to a task that waits: an answer, a decision, a word on an unknown effect.

Each function returns a `Decide`: given the task and its log it makes the event, or raises `NothingAsked`.
Bringing something twice is refused, whoever comes second.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from ops_core.errors import FieldError, InvalidRequest, NothingAsked
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import Decide
from ops_core.replay import open_requests, read
from ops_core.step import JOURNAL_VERSION
from ops_core.task import JsonObject, Task

EffectOutcome: TypeAlias = Literal["happened", "run_again", "fail"]
Decision: TypeAlias = Literal["approve", "reject"]


def answer(step: str | None, value: Any) -> Decide:
    """The answer to a question; `step` may be left out when only one is open."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        asked = open_requests(log, EventType.INPUT_REQUESTED, EventType.INPUT_RECEIVED)
        path = step if step is not None else _only(asked)
        if path not in asked:
            raise NothingAsked(task.task_id, path)
        return _event(EventType.INPUT_RECEIVED, path, {"answer": value}, {"value": value})

    return decide


def decision(step: str, verdict: Decision, comment: str | None) -> Decide:
    """The decision on a call that needs approval."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        asked = open_requests(log, EventType.APPROVAL_REQUESTED, EventType.APPROVAL_RESOLVED)
        if step not in asked:
            raise NothingAsked(task.task_id, step)
        said = {"decision": verdict, "comment": comment}
        return _event(EventType.APPROVAL_RESOLVED, step, said, {"value": said})

    return decide


def resolution(step: str, outcome: EffectOutcome, result: Any) -> Decide:
    """A person's word on a call of which nobody knows whether it took effect."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        if step not in read(log).doubtful:
            raise NothingAsked(task.task_id, step)
        said = {"outcome": outcome, "result": result}
        return _event(EventType.EFFECT_RESOLVED, step, said, said)

    return decide


def _event(kind: EventType, path: str, data: JsonObject, entry: JsonObject) -> NewEvent:
    journal = {"v": JOURNAL_VERSION, "path": path, **entry}
    return NewEvent(type=kind, data={"path": path, **data}, journal=journal)


def _only(asked: JsonObject) -> str:
    if len(asked) > 1:
        steps = ", ".join(sorted(asked))
        raise InvalidRequest([FieldError("step", f"is required: the open ones are {steps}")])
    return next(iter(asked), "")
