"""One event of a task's log.

The log is append-only and numbered per task (`seq` 1, 2, 3, … without gap): it is at once what replay
reads, what clients follow and what an auditor keeps.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar, cast


def rfc3339(moment: datetime) -> str:
    """UTC with `Z` and always six digits, so that times of one kind compare as strings."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class EventType(StrEnum):
    """The catalogue of the events that a task can have today; changes to it are additive."""

    TASK_SUBMITTED = "task.submitted"
    TASK_CLAIMED = "task.claimed"
    TASK_RELEASED = "task.released"
    TASK_WAITING = "task.waiting"
    TASK_WOKEN = "task.woken"
    TASK_RETRIED = "task.retried"
    TASK_CANCEL_REQUESTED = "task.cancel_requested"
    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
    TASK_CANCELLED = "task.cancelled"
    LLM_COMPLETED = "llm.completed"
    LLM_FAILED = "llm.failed"
    TOOL_DISPATCHED = "tool.dispatched"
    TOOL_COMPLETED = "tool.completed"
    TOOL_FAILED = "tool.failed"
    TOOL_UNKNOWN = "tool.unknown"
    EFFECT_RESOLVED = "effect.resolved"
    STEP_RECORDED = "step.recorded"
    TIMER_SET = "timer.set"
    TIMER_FIRED = "timer.fired"
    INPUT_REQUESTED = "input.requested"
    INPUT_RECEIVED = "input.received"
    INPUT_EXPIRED = "input.expired"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_RESOLVED = "approval.resolved"
    APPROVAL_EXPIRED = "approval.expired"
    CHILD_STARTED = "child.started"
    CHILD_FINISHED = "child.finished"
    DEPENDENCY_FINISHED = "dependency.finished"
    MEMORY_SEARCHED = "memory.searched"
    MEMORY_SAVED = "memory.saved"
    BUDGET_RESERVED = "budget.reserved"
    BUDGET_SETTLED = "budget.settled"
    BUDGET_EXHAUSTED = "budget.exhausted"
    AGENT_PLAN = "agent.plan"
    AGENT_HANDOFF = "agent.handoff"
    AGENT_LIMIT = "agent.limit"
    AGENT_FINISHED = "agent.finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """What an event says."""

    data: dict[str, Any] = field(default_factory=dict)
    """Public and stable: clients see it."""

    journal: dict[str, Any] | None = None
    """Private to replay, versioned apart from `data`; no client ever sees it."""

    v: int = 1
    """Version of the shape of `data`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent(_Content):
    """An event to append; the store gives it its `seq` and its time."""

    type: EventType

    @property
    def finishes_step(self) -> bool:
        """Whether its step is done with: the value is on disk, and no replay makes it again."""
        return self.journal is not None and "value" in self.journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(_Content):
    """An event as it stands in the log."""

    type: str
    """An `EventType`, or a plain string: a newer build beside this one may write types unknown here."""

    task_id: str
    seq: int
    at: datetime


#: What PostgreSQL's JSONB refuses in a string: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

#: From here on Python writes a float with an exponent.
_WRITTEN_WITH_EXPONENT = 1e16

T = TypeVar("T")


def storable(value: T) -> T:
    """The JSON value as JSONB gives it back; what cannot be stored is U+FFFD, NaN and infinities are None.

    For what models and tools bring: they are not ours to refuse. What clients send is refused instead. A run
    that went on with anything else than its replay will read would not be found in its own log again.
    """
    return cast(T, _storable(value))


def _storable(value: object) -> object:
    match value:
        case str():
            if value.isascii() and "\0" not in value:  # as nearly always
                return value
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case float():
            return _storable_number(value)
        case dict():
            return {_storable(key): _storable(child) for key, child in value.items()}
        case list() | tuple():
            return [_storable(child) for child in value]
        case _:
            return value


def _storable_number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value == 0:
        return 0.0  # a numeric has no -0
    # A numeric is written out: 1e16 comes back as an integer.
    return int(Decimal(repr(value))) if abs(value) >= _WRITTEN_WITH_EXPONENT else value
