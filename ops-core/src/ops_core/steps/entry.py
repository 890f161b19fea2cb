"""One step of a task as clients see it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ops_core.task import JsonObject

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
