"""Unsafe calls that were started and whose end nobody knows, as a log tells of them."""

from collections.abc import Iterable

from ops_core.log import Event, EventType, NewEvent

#: The event that opens a doubt, and those that settle it.
_SETTLE = {
    EventType.TOOL_COMPLETED,
    EventType.TOOL_FAILED,
    EventType.TOOL_UNKNOWN,
    EventType.EFFECT_RESOLVED,
}


def under_way(log: Iterable[Event | NewEvent]) -> list[Event | NewEvent]:
    """The `tool.dispatched` events of calls that have no end in the log, in their order."""
    open_calls: dict[str, Event | NewEvent] = {}
    for event in log:
        path = (event.journal or {}).get("path", "")
        if event.type is EventType.TOOL_DISPATCHED:
            open_calls[path] = event
        elif event.type in _SETTLE:
            open_calls.pop(path, None)
    return list(open_calls.values())


def unknown_effects(log: Iterable[Event | NewEvent], why: str) -> list[NewEvent]:
    """For each call that was under way when its task came to an end: the event that says so."""
    return [unknown(call, why) for call in under_way(log)]


def unknown(call: Event | NewEvent, why: str) -> NewEvent:
    """The event that says of a dispatched call that nobody knows whether it happened."""
    return NewEvent(
        type=EventType.TOOL_UNKNOWN, data=call.data | {"why": why}, journal=call.journal
    )
