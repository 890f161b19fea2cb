"""What a client brings to a task that waits: an answer, a decision, a word on an unknown effect.

Each function returns a `Decide`: given the task and its log it makes the event, or raises `NothingAsked`.
Bringing something twice is refused, whoever comes second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from ops_core.ask import ID_KEYS, Ask, AskKind, AskLedger
from ops_core.errors import AlreadyResolved, FieldError, InvalidRequest, NothingAsked
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import Decide
from ops_core.replay import open_requests, read
from ops_core.step import JOURNAL_VERSION
from ops_core.task import JsonObject, Task

EffectOutcome: TypeAlias = Literal["happened", "run_again", "fail"]
Decision: TypeAlias = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Who said it, and under which request; both are told in the log."""

    by: str | None = None
    request_hash: str | None = None
    """Of a request with an idempotency key."""

    @property
    def data(self) -> JsonObject:
        said = {"by": self.by, "request_hash": self.request_hash}
        return {key: value for key, value in said.items() if value is not None}


UNSAID: Final = Said()


def answer(step: str | None, value: Any, said: Said = UNSAID) -> Decide:
    """The answer to a question; `step` may be left out when only one is open."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        asked = open_requests(log, AskKind.INPUT)
        path = step if step is not None else _only(asked)
        if path not in asked:
            raise NothingAsked(task.task_id, path)
        told = {"answer": value} | said.data
        return _event(EventType.INPUT_RECEIVED, path, told, {"value": value})

    return decide


def decision(
    step: str,
    verdict: Decision,
    comment: str | None,
    *,
    arguments: JsonObject | None = None,
    said: Said = UNSAID,
) -> Decide:
    """The decision on a call that needs approval; `arguments` are those it is to be made with instead."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        if step not in open_requests(log, AskKind.APPROVAL):
            raise NothingAsked(task.task_id, step)
        value: JsonObject = {"decision": verdict, "comment": comment}
        if arguments is not None:
            value["arguments"] = arguments
        return _event(EventType.APPROVAL_RESOLVED, step, value | said.data, {"value": value})

    return decide


def only_for(ask: Ask, decide: Decide) -> Decide:
    """The same for this one ask, not for another one of its step (a retried task asks anew).

    Raises `AlreadyResolved` when the ask is over.
    """

    def checked(task: Task, log: Sequence[Event]) -> NewEvent:
        ledger = AskLedger(task.tenant_id)
        for event in log:
            ledger.take(event)
        open_now = ledger.open_at(ask.step)
        if open_now is None or open_now.ask_id != ask.ask_id:
            status = ledger.asks[ask.ask_id].status if ask.ask_id in ledger.asks else ask.status
            raise AlreadyResolved(ask.ask_id, status)
        word = decide(task, log)
        return replace(word, data=word.data | {ID_KEYS[ask.kind]: ask.ask_id})

    return checked


def resolution(step: str, outcome: EffectOutcome, result: Any, said: Said = UNSAID) -> Decide:
    """A person's word on a call of which nobody knows whether it took effect."""

    def decide(task: Task, log: Sequence[Event]) -> NewEvent:
        if step not in read(log).doubtful:
            raise NothingAsked(task.task_id, step)
        word = {"outcome": outcome, "result": result}
        return _event(EventType.EFFECT_RESOLVED, step, word | said.data, word)

    return decide


def _event(kind: EventType, path: str, data: JsonObject, entry: JsonObject) -> NewEvent:
    journal = {"v": JOURNAL_VERSION, "path": path, **entry}
    return NewEvent(type=kind, data={"path": path, **data}, journal=journal)


def _only(asked: JsonObject) -> str:
    if len(asked) > 1:
        steps = ", ".join(sorted(asked))
        raise InvalidRequest([FieldError("step", f"is required: the open ones are {steps}")])
    return next(iter(asked), "")
