"""The steps of a task as clients see them: its log folded into one row for each, the ledger of its effects.

Only what is public is read, so a log that this build could not replay can still be looked at.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from ops_core.ask import BESIDE, CLOSES
from ops_core.log import Event, EventType
from ops_core.step import idempotency_key
from ops_core.task import JsonObject, Reason

#: Arguments and outputs with a longer JSON text are shown by its beginning. Characters.
MAX_SHOWN: Final = 2000


class StepStatus(StrEnum):
    """How far a step has come."""

    RESERVED = "reserved"
    """Nothing has happened: it failed before any effect, or a person said to make it again."""

    DISPATCHED = "dispatched"
    """An unsafe call was begun, and its end is not on record."""

    UNKNOWN = "unknown"
    """Nobody knows whether an unsafe call took effect; a person has to say."""

    WAITING = "waiting"
    """It needs something from outside: an answer, a decision, a time, children."""

    COMMITTED = "committed"
    """Its value is on record: it is not made again."""

    FAILED = "failed"
    """It came to an error, or a person gave it up; that is on record too."""


@dataclass(slots=True, kw_only=True)
class StepEntry:
    """One step. What its log does not say is None."""

    step: str
    """Its path."""

    kind: str
    """`llm tool timer input approval child children`, or a word of the handler's own (`clock`, `value`)."""

    key: str
    """What an idempotent call of it carries, the same in every attempt and generation."""

    status: StepStatus
    attempt: int
    generation: int
    name: str | None = None
    """The tool, the model, or what the handler calls it."""

    effect: str | None = None
    arguments: Any = None
    output: Any = None
    truncated: bool = False
    """Whether a value is shown by the beginning of its JSON text; the events have it whole."""

    why: str | None = None
    """Why its outcome is not known, or why it was denied or came to nothing."""

    usage: JsonObject | None = None
    cost_usd: str | None = None
    resolution: JsonObject | None = None
    """What a person said: of an effect `outcome` and `result`, of an approval `decision` and `comment`."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None


def steps_of(task_id: str, log: Iterable[Event]) -> list[StepEntry]:
    """Each step of the log once, in the order in which they were first seen."""
    ledger = StepLedger(task_id)
    ledger.take(log)
    return ledger.steps


@dataclass(slots=True)
class StepLedger:
    """The steps of a log that is read piece by piece."""

    task_id: str
    rows: dict[str, StepEntry] = field(default_factory=dict)
    attempt: int = 0
    generation: int = 1

    @property
    def steps(self) -> list[StepEntry]:
        """Each once, in the order in which they were first seen."""
        return list(self.rows.values())

    def take(self, events: Iterable[Event]) -> None:
        """What follows in the log."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.type == EventType.TASK_CLAIMED:
            self.attempt = event.data.get("attempt", self.attempt)
        elif event.type == EventType.TASK_RETRIED:
            self.generation = event.data.get("generation", self.generation)
            self._ask_again()
        elif event.type == EventType.TASK_WAITING:
            self._children(event)
        told = _TELLERS.get(event.type)
        path = event.data.get("path")
        if told is not None and isinstance(path, str):
            kind, tell = told
            tell(self._row(path, event.data.get("kind") or kind), event)
            self._made(self.rows[path], event)

    def _ask_again(self) -> None:
        """A call that a person gave up is in doubt again when its task is retried."""
        for row in self.rows.values():
            if row.resolution is not None and row.resolution.get("outcome") == "fail":
                row.status, row.finished_at, row.duration_s = StepStatus.UNKNOWN, None, None

    def _row(self, path: str, kind: str) -> StepEntry:
        row = self.rows.get(path)
        if row is None:
            row = self.rows[path] = StepEntry(
                step=path,
                kind=kind,
                key=idempotency_key(self.task_id, path),
                status=StepStatus.DISPATCHED,
                attempt=self.attempt,
                generation=self.generation,
            )
        elif kind != "tool":  # an announced call is one, until its end says it more exactly
            row.kind = kind
        return row

    def _made(self, row: StepEntry, event: Event) -> None:
        """By whom: a step belongs to the attempt that last worked on it, not to who answered it."""
        if event.type not in _FROM_OUTSIDE:
            row.attempt, row.generation = self.attempt, self.generation

    def _children(self, event: Event) -> None:
        """A wait for children is not told when it begins, only when it ends."""
        for wait in event.data.get("waiting_for", []):
            if wait.get("reason") == Reason.CHILD and wait["step"] not in self.rows:
                row = self._row(wait["step"], "children")
                row.status, row.name, row.effect = StepStatus.WAITING, "wait", "pure"
                row.started_at = event.at
                self._made(row, event)


def _call(row: StepEntry, event: Event) -> None:
    """What was called, and how: on every event of a tool."""
    data = event.data
    row.name = data.get("tool", data.get("name", row.name))
    row.effect = data.get("effect", row.effect)
    row.why = data.get("why")
    if "arguments" in data:
        row.arguments = _shown(row, data["arguments"])


def _dispatched(row: StepEntry, event: Event) -> None:
    _call(row, event)
    row.status, row.started_at = StepStatus.DISPATCHED, event.at


def _unknown(row: StepEntry, event: Event) -> None:
    _call(row, event)
    row.status = StepStatus.UNKNOWN


def _tool_completed(row: StepEntry, event: Event) -> None:
    _call(row, event)
    _finish(row, event, output=event.data.get("output"))


def _tool_failed(row: StepEntry, event: Event) -> None:
    _call(row, event)
    if "output" in event.data:
        _finish(row, event, StepStatus.FAILED, output=event.data["output"])
    else:  # it failed before its effect, and may be made again
        row.status = StepStatus.RESERVED


def _llm(row: StepEntry, event: Event) -> None:
    data = event.data
    row.name, row.effect, row.why = data.get("model"), "pure", None
    row.usage, row.cost_usd = data.get("usage"), data.get("cost_usd")
    _finish(row, event, output={key: data.get(key) for key in ("text", "tool_calls")})


def _llm_failed(row: StepEntry, event: Event) -> None:
    """What was said is paid for, and of no use; should the task be retried, the model is asked again."""
    _llm(row, event)
    row.status, row.why = StepStatus.FAILED, event.data.get("error", {}).get("message")


def _recorded(row: StepEntry, event: Event) -> None:
    row.name = event.data.get("name", row.name)
    row.effect = event.data.get("effect", row.effect)
    row.usage, row.cost_usd = event.data.get("usage"), event.data.get("cost_usd")
    _finish(row, event, output=row.output)


def _asked(row: StepEntry, event: Event) -> None:
    """A timer, a question, a request for approval: what was asked stands beside the place."""
    row.name = event.data.get("tool")
    row.status, row.effect, row.started_at = StepStatus.WAITING, "pure", event.at
    asked = {key: value for key, value in event.data.items() if key not in BESIDE}
    row.arguments = _shown(row, asked)


def _fired(row: StepEntry, event: Event) -> None:
    _finish(row, event)


def _answered(row: StepEntry, event: Event) -> None:
    row.resolution = {"answer": _shown(row, event.data.get("answer"))}
    _finish(row, event, output=event.data.get("answer"))


def _decided(row: StepEntry, event: Event) -> None:
    row.resolution = {key: event.data.get(key) for key in ("decision", "comment")}
    if "arguments" in event.data:
        row.resolution["arguments"] = _shown(row, event.data["arguments"])
    _finish(row, event, output=row.resolution)


def _expired(row: StepEntry, event: Event) -> None:
    row.why = "nobody answered in time"
    _finish(row, event, StepStatus.FAILED)


def _resolved(row: StepEntry, event: Event) -> None:
    outcome, result = event.data.get("outcome"), event.data.get("result")
    row.resolution = {"outcome": outcome, "result": _shown(row, result)}
    match outcome:
        case "happened":
            _finish(row, event, output=result)
        case "run_again":
            row.status = StepStatus.RESERVED
        case _:
            _finish(row, event, StepStatus.FAILED)


def _child_started(row: StepEntry, event: Event) -> None:
    row.name, row.effect = "start", "idempotent"
    _finish(row, event, output={"child_task_id": event.data.get("child_task_id")})


def _child_finished(row: StepEntry, event: Event) -> None:
    row.name, row.effect, row.status = "wait", "pure", StepStatus.WAITING
    row.started_at = row.started_at or event.at
    end = {key: event.data.get(key) for key in ("child_task_id", "status")}
    row.output = [*(row.output or []), end]


def _finish(
    row: StepEntry, event: Event, status: StepStatus = StepStatus.COMMITTED, output: Any = None
) -> None:
    row.status, row.finished_at = status, event.at
    row.output = _shown(row, output)
    took = event.data.get("duration_s")
    if took is None and row.started_at is not None:
        took = round((event.at - row.started_at).total_seconds(), 3)
    row.duration_s = took
    if row.started_at is None and took is not None:
        row.started_at = event.at - timedelta(seconds=took)


def _shown(row: StepEntry, value: Any) -> Any:
    """The value, or the beginning of its text when it is too long for a list."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= MAX_SHOWN:
        return value
    row.truncated = True
    return text[:MAX_SHOWN]


_TELLERS: Final[dict[str, tuple[str, Callable[[StepEntry, Event], None]]]] = {
    EventType.LLM_COMPLETED: ("llm", _llm),
    EventType.LLM_FAILED: ("llm", _llm_failed),
    EventType.TOOL_DISPATCHED: ("tool", _dispatched),
    EventType.TOOL_COMPLETED: ("tool", _tool_completed),
    EventType.TOOL_FAILED: ("tool", _tool_failed),
    EventType.TOOL_UNKNOWN: ("tool", _unknown),
    EventType.EFFECT_RESOLVED: ("tool", _resolved),
    EventType.STEP_RECORDED: ("step", _recorded),
    EventType.TIMER_SET: ("timer", _asked),
    EventType.TIMER_FIRED: ("timer", _fired),
    EventType.INPUT_REQUESTED: ("input", _asked),
    EventType.INPUT_RECEIVED: ("input", _answered),
    EventType.APPROVAL_REQUESTED: ("approval", _asked),
    EventType.APPROVAL_RESOLVED: ("approval", _decided),
    EventType.APPROVAL_EXPIRED: ("approval", _expired),
    EventType.INPUT_EXPIRED: ("input", _expired),
    EventType.CHILD_STARTED: ("child", _child_started),
    EventType.CHILD_FINISHED: ("children", _child_finished),
}

_FROM_OUTSIDE: Final = frozenset({EventType.EFFECT_RESOLVED, *CLOSES})
