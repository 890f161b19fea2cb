"""What a log says of the steps of its task: what is finished, what was begun, what is in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ops_core.ask import CLOSES, OPENS, AskKind
from ops_core.errors import TaskFailed
from ops_core.log import Event, EventType
from ops_core.step import JOURNAL_VERSION, Step
from ops_core.task import JsonObject, Reason

#: Events that open a step which ends with a later event.
OPENING = frozenset(
    {
        EventType.TOOL_DISPATCHED,
        EventType.TIMER_SET,
        EventType.INPUT_REQUESTED,
        EventType.APPROVAL_REQUESTED,
    }
)


@dataclass(slots=True)
class Recorded:
    """The steps of a log, by path."""

    finished: dict[str, JsonObject] = field(default_factory=dict)
    """Journal entries with a `value`, or with what a person said of a call (`resolved`)."""

    opened: dict[str, JsonObject] = field(default_factory=dict)
    """Journal entries of steps that were begun: a call under way, a question, a timer."""

    asked: set[str] = field(default_factory=set)
    """Those of them that ask a person."""

    doubtful: dict[str, JsonObject] = field(default_factory=dict)
    """Public data of calls of which nobody knows whether they took effect."""

    refused: dict[str, JsonObject] = field(default_factory=dict)
    """Such calls for which a person said that the task should fail; a retry of it asks them again."""

    ended: set[str] = field(default_factory=set)
    """Steps that asked a person in an earlier generation, which ended before they had said anything."""

    def value(self, step: Step) -> JsonObject | None:
        """The entry of the finished step, or None. Raises `TaskFailed` when it was another step."""
        entry = self.finished.get(step.path)
        if entry is not None:
            # What a person said of a call has no hash, but the call has.
            check_same(step, entry if "hash" in entry else self.opened.get(step.path, entry))
        return entry


#: Nobody writes into what was read.
_NOTHING: Final = Recorded()


def read(history: Sequence[Event]) -> Recorded:
    """Raises `TaskFailed` for a log that this build cannot replay."""
    if not history:
        return _NOTHING  # as in nearly all runs
    recorded = Recorded()
    for event in history:
        if event.journal is not None:
            _check_version(event.journal)
            _take(recorded, event, event.journal)
        elif event.type == EventType.TASK_RETRIED:
            recorded.doubtful |= recorded.refused
            recorded.refused.clear()
            recorded.ended |= recorded.asked
    return recorded


def check_same(step: Step, entry: JsonObject) -> None:
    """Raises `TaskFailed` when the program asks for something else than was recorded at the same place.

    An entry without a hash is taken as it is: a person gave it, or a fork was told to go another way.
    """
    if entry.get("hash") in (None, step.input_hash):
        return
    raise TaskFailed(
        "nondeterministic",
        f"Step {step.path} ({step.kind} {step.name}) was recorded with other input: the agent, its tools "
        "or its model changed since this task started.",
        reason=Reason.NONDETERMINISTIC,
    )


def _take(recorded: Recorded, event: Event, entry: JsonObject) -> None:
    path = entry["path"]
    if event.type in OPENING:
        recorded.opened[path] = entry
        if event.type in OPENS:
            recorded.asked.add(path)
            recorded.ended.discard(path)
    elif event.type == EventType.TOOL_UNKNOWN:
        recorded.doubtful[path] = event.data
    elif event.type == EventType.EFFECT_RESOLVED:
        _resolve(recorded, path, entry)
    elif entry.get("again"):
        recorded.opened.pop(path, None)
    else:
        recorded.finished[path] = entry
        recorded.doubtful.pop(path, None)


def _resolve(recorded: Recorded, path: str, entry: JsonObject) -> None:
    doubt = recorded.doubtful.pop(path, {})
    match entry["outcome"]:
        case "happened":
            recorded.finished[path] = entry
        case "run_again":
            recorded.opened.pop(path, None)
        case _:
            recorded.refused[path] = doubt


def _check_version(entry: JsonObject) -> None:
    if entry.get("v") != JOURNAL_VERSION:
        raise TaskFailed(
            "nondeterministic",
            f"The log holds journal version {entry.get('v')}, which this build cannot replay.",
            reason=Reason.NONDETERMINISTIC,
        )


def open_requests(log: Sequence[Event], kind: AskKind) -> dict[str, Any]:
    """The public data of what has no answer yet, by the path of its step, oldest first."""
    found: dict[str, Any] = {}
    for event in log:
        path = (event.journal or {}).get("path", "")
        if OPENS.get(event.type) == kind:
            found[path] = event.data
        elif CLOSES.get(event.type) == kind:
            found.pop(path, None)
    return found
