"""A fork: a new task whose log begins as that of another one does.

What was finished up to the fork's point is shared: the new task replays it and pays for nothing of it. What
was only begun there is not taken to have come out in any way. A question, a timer or an approval begins anew,
and an unsafe call that was under way is in doubt: it may have happened for the task that is forked.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from ops_core.effects import unknown_effects
from ops_core.errors import FieldError, InvalidRequest
from ops_core.log import Event, EventType, NewEvent

#: Marks what a fork did not do itself, in `data` and in the journal: its bill does not count it.
COPIED: Final = "copied"

#: Events of one call.
_CALLS: Final = frozenset(
    {
        EventType.TOOL_DISPATCHED,
        EventType.TOOL_COMPLETED,
        EventType.TOOL_FAILED,
        EventType.TOOL_UNKNOWN,
    }
)

#: Events that open a wait.
_WAITS: Final = frozenset(
    {EventType.TIMER_SET, EventType.INPUT_REQUESTED, EventType.APPROVAL_REQUESTED}
)

_APPROVALS: Final = frozenset(
    {
        EventType.APPROVAL_REQUESTED,
        EventType.APPROVAL_RESOLVED,
        EventType.APPROVAL_EXPIRED,
    }
)

_KNOWN: Final = frozenset(EventType)

#: How many of a log's calls an error names: it does so for each wrong path, and a client may send many.
_SHOWN: Final = 10


def shared(
    log: Sequence[Event], after_seq: int, results: Mapping[str, Any], *, same_input: bool
) -> list[NewEvent]:
    """The events that a fork's log begins with, after its first.

    `results`: what calls are to have returned instead, by the paths of their steps. `same_input`: the fork
    was told nothing else than its source, so its steps must be the recorded ones. Raises `InvalidRequest`.
    """
    if not 1 <= after_seq <= len(log):
        raise _wrong("after_seq", f"must be a seq of the task's log: 1 to {len(log)}")
    part = [event for event in log[:after_seq] if event.journal is not None]
    _refuse_children(part)
    _refuse_strangers(part, results)
    kept = [event for event in _counting(part) if _path(event) not in results]
    copies = [_copy(event, same_input=same_input and not results) for event in kept]
    told = [_told(part, path, result) for path, result in results.items()]
    return [*copies, *told, *unknown_effects(copies, "the task was forked while it was under way")]


def _refuse_children(part: Sequence[Event]) -> None:
    """A fork could only wait for children that are not its own, and nobody would tell it of their ends."""
    started = next((event for event in part if event.type == EventType.CHILD_STARTED), None)
    if started is not None:
        raise _wrong(
            "after_seq",
            f"lies behind seq {started.seq}, where the task started a child, which belongs to it alone: "
            f"fork after {started.seq - 1} or before",
        )


def _refuse_strangers(part: Sequence[Event], results: Mapping[str, Any]) -> None:
    calls = {_path(event) for event in part if event.type in _CALLS}
    strangers = [path for path in results if path not in calls]
    if strangers:
        known = ", ".join(sorted(calls)[:_SHOWN]) or "none"
        more = f" and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else ""
        raise InvalidRequest(
            [
                FieldError(
                    f"overrides.tool_results.{path}",
                    f"is no tool call up to this seq; those are: {known}{more}",
                )
                for path in strangers
            ]
        )


def _counting(part: Sequence[Event]) -> list[Event]:
    """The events that say something about the fork as well."""
    finished = {_path(event) for event in part if "value" in (event.journal or {})}
    calls = {_path(event) for event in part if event.type in _CALLS}

    def counts(event: Event) -> bool:
        if event.type in _APPROVALS:  # leave to make a call, which the fork would make once more
            return _is_within(_path(event), calls)
        if event.type in _WAITS:
            return _path(event) in finished
        if event.type == EventType.EFFECT_RESOLVED:  # "run it again" was said to the source alone
            return bool(event.data["outcome"] == "happened")
        return True

    return [event for event in part if counts(event)]


def _copy(event: Event, *, same_input: bool) -> NewEvent:
    entry = dict(event.journal or {})
    if not same_input:
        # Another model's name or other options are no mistake here: the entry is taken as it is.
        entry.pop("hash", None)
    if event.type not in _KNOWN:
        raise _wrong("after_seq", f"lies behind a {event.type}, which this version does not know")
    return NewEvent(
        type=EventType(event.type),
        v=event.v,
        data=event.data | {COPIED: True},
        journal=entry | {COPIED: True},
    )


def _told(part: Sequence[Event], path: str, result: Any) -> NewEvent:
    """The call as it is to have come back; its handler makes the step's value of the result."""
    call = [event for event in part if _path(event) == path and event.type in _CALLS][-1]
    data = {key: value for key, value in call.data.items() if key != "why"}
    version = (call.journal or {})["v"]
    return NewEvent(
        type=EventType.TOOL_COMPLETED,
        v=call.v,
        data=data | {"output": result, "replaced": True, COPIED: True},
        journal={"v": version, "path": path, "result": result, COPIED: True},
    )


def _is_within(path: str, calls: Set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:end]) in calls for end in range(1, len(parts)))


def _path(event: Event) -> str:
    return str((event.journal or {}).get("path", ""))


def _wrong(path: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(path, message)])
