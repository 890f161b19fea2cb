"""An ask: what a task needs a person for, an approval of a call or an answer to a question.

It is a projection: everything about it is in the log of its task, and `asks_of` makes it again from there.
Its id is made of task, step and generation: asking again (a lost reply, a replay) is the same ask, and a
retried task, whose open asks ended with it, asks anew.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ops_core.log import Event, EventType, NewEvent, storable
from ops_core.step import JOURNAL_VERSION
from ops_core.task import JsonObject


class AskKind(StrEnum):
    """What is needed."""

    APPROVAL = "approval"
    """Leave to make a call."""

    INPUT = "input"
    """An answer to a question."""


class AskStatus(StrEnum):
    """Where an ask stands; all but the first are final."""

    PENDING = "pending"
    """It waits for a person, for its time to be over, or for its task to end."""

    APPROVED = "approved"
    REJECTED = "rejected"
    ANSWERED = "answered"
    EXPIRED = "expired"
    """Nobody said anything in time: for an approval that counts as a rejection."""

    CANCELLED = "cancelled"
    """Its task ended before anybody said anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One ask, as it is stored."""

    ask_id: str
    tenant_id: str
    task_id: str
    kind: AskKind
    step: str
    """The path of the step that asked."""

    generation: int
    status: AskStatus
    asked: JsonObject
    """The question; of an approval also the tool, its arguments and where those may come from."""

    requested_at: datetime
    expires_at: datetime | None = None
    resolution: JsonObject | None = None
    """What was said: `decision`, `comment` and `arguments`, or `answer`."""

    resolved_by: str | None = None
    resolved_at: datetime | None = None
    request_hash: str | None = None
    """Of the request that resolved it, if that had an idempotency key: sent again, it is answered alike."""

    @property
    def hash(self) -> str:
        """What is approved, and nothing else: SHA-256 of task, step, tool and canonical arguments."""
        return binding(self.task_id, self.step, self.asked.get("tool"), self.asked.get("arguments"))


_PREFIXES: Final = {AskKind.APPROVAL: "apr", AskKind.INPUT: "inp"}

#: Under which name an event says which ask it is about.
ID_KEYS: Final = {AskKind.APPROVAL: "approval_id", AskKind.INPUT: "input_id"}

#: Events that open an ask, and what is asked for.
OPENS: Final[Mapping[str, AskKind]] = {
    EventType.APPROVAL_REQUESTED: AskKind.APPROVAL,
    EventType.INPUT_REQUESTED: AskKind.INPUT,
}

#: Events that close one.
CLOSES: Final[Mapping[str, AskKind]] = {
    EventType.APPROVAL_RESOLVED: AskKind.APPROVAL,
    EventType.APPROVAL_EXPIRED: AskKind.APPROVAL,
    EventType.INPUT_RECEIVED: AskKind.INPUT,
    EventType.INPUT_EXPIRED: AskKind.INPUT,
}

EXPIRIES: Final = frozenset({EventType.APPROVAL_EXPIRED, EventType.INPUT_EXPIRED})

#: What a question that nobody answered in time comes to.
NO_ANSWER: Final = "Nobody answered in time."

_ENDS: Final = frozenset(
    {EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_CANCELLED}
)

#: What events say beside what was asked and what was answered.
BESIDE: Final = (
    "path",
    "step",
    *ID_KEYS.values(),
    "hash",
    "expires_at",
    "by",
    "request_hash",
)


def ask_id(kind: AskKind, task_id: str, step: str, generation: int) -> str:
    """The id of what a step asks in a generation of its task."""
    name = hashlib.sha256(f"{task_id}\n{step}\n{generation}".encode()).hexdigest()
    return f"{_PREFIXES[kind]}_{name[:32]}"


def binding(task_id: str, step: str, tool: Any, arguments: Any) -> str:
    """SHA-256 of what an approval is for, as stored: sorted keys, no spaces."""
    bound = {"task_id": task_id, "step": step, "tool": tool, "arguments": arguments}
    canonical = json.dumps(storable(bound), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def asks_of(tenant_id: str, log: Iterable[Event]) -> list[Ask]:
    """Every ask of a task's whole log, oldest first."""
    ledger = AskLedger(tenant_id)
    for event in log:
        ledger.take(event)
    return list(ledger.asks.values())


@dataclass(slots=True)
class AskLedger:
    """Folds a log, event by event."""

    tenant_id: str
    asks: dict[str, Ask] = field(default_factory=dict)
    """By id."""

    generation: int = 1

    def take(self, event: Event) -> None:
        """What a fork took over was asked of its source, not of it."""
        if event.data.get("copied"):
            return
        if event.type in OPENS:
            ask = _opened(self.tenant_id, self.generation, event)
            self.asks.setdefault(ask.ask_id, ask)
        elif event.type in CLOSES:
            open_now = self.open_at(path_of(event))
            if open_now is not None:
                self.asks[open_now.ask_id] = _closed(open_now, event)
        elif event.type in _ENDS:
            self.asks = {name: _ended(ask, event) for name, ask in self.asks.items()}
        elif event.type == EventType.TASK_RETRIED:
            self.generation = event.data.get("generation", self.generation + 1)

    def open_at(self, step: str) -> Ask | None:
        """What the step waits for now."""
        return next(
            (
                ask
                for ask in self.asks.values()
                if ask.step == step and ask.status is AskStatus.PENDING
            ),
            None,
        )


def expiry(ask: Ask) -> NewEvent:
    """Nobody said anything in time: an approval counts as rejected, a question as not answered."""
    value: Any = NO_ANSWER
    kind = EventType.INPUT_EXPIRED
    if ask.kind is AskKind.APPROVAL:
        value = {"decision": "reject", "comment": "nobody decided in time"}
        kind = EventType.APPROVAL_EXPIRED
    return NewEvent(
        type=kind,
        data={"path": ask.step, ID_KEYS[ask.kind]: ask.ask_id},
        journal={"v": JOURNAL_VERSION, "path": ask.step, "value": value},
    )


def path_of(event: Event | NewEvent) -> str:
    """The path of the step that an event is about."""
    return str(event.data.get("path") or (event.journal or {}).get("path", ""))


def _opened(tenant_id: str, generation: int, event: Event) -> Ask:
    kind, step = OPENS[event.type], path_of(event)
    until = event.data.get("expires_at")
    return Ask(
        ask_id=ask_id(kind, event.task_id, step, generation),
        tenant_id=tenant_id,
        task_id=event.task_id,
        kind=kind,
        step=step,
        generation=generation,
        status=AskStatus.PENDING,
        asked=_content(event),
        requested_at=event.at,
        expires_at=None if until is None else datetime.fromisoformat(until),
    )


def _closed(ask: Ask, event: Event) -> Ask:
    return replace(
        ask,
        status=_status(event),
        resolution=None if event.type in EXPIRIES else _content(event),
        resolved_by=event.data.get("by"),
        resolved_at=event.at,
        request_hash=event.data.get("request_hash"),
    )


def _ended(ask: Ask, event: Event) -> Ask:
    """What its task's end leaves of it."""
    if ask.status is not AskStatus.PENDING:
        return ask
    return replace(ask, status=AskStatus.CANCELLED, resolved_at=event.at)


def _status(event: Event) -> AskStatus:
    if event.type in EXPIRIES:
        return AskStatus.EXPIRED
    if event.type == EventType.INPUT_RECEIVED:
        return AskStatus.ANSWERED
    approved = event.data.get("decision") == "approve"
    return AskStatus.APPROVED if approved else AskStatus.REJECTED


def _content(event: Event) -> JsonObject:
    return {key: value for key, value in event.data.items() if key not in BESIDE}
