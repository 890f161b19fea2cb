"""A reply of any provider, once its parts are known: whether it is whole, and what it asks for."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from agentkit.errors import ModelMisbehaved
from agentkit.messages import AssistantMessage, Reply, Stop, ToolCall, Usage
from agentkit.wire import foreign_json


def stop_for(reason: str | None, stops: Mapping[str, Stop]) -> Stop:
    """What a provider's finish reason means. Raises ModelMisbehaved for none, or an unknown one."""
    stop = stops.get(reason or "")
    if stop is None:
        raise ModelMisbehaved(
            f"The model's answer has no usable finish reason ({reason!r}), so it may "
            "be cut off: try again, or check the proxy in front of the server."
        )
    return stop


def whole(message: AssistantMessage, usage: Usage, stop: Stop, model: str) -> Reply:
    """The reply. Raises ModelMisbehaved when it says nothing."""
    if stop in ("end", "tool_calls"):
        if not message.text and not message.tool_calls:
            raise ModelMisbehaved("The model said nothing and called no tool: try again.")
        # Some servers say "stop" beside tool calls; the calls are what counts.
        stop = "tool_calls" if message.tool_calls else "end"
    message = replace(message, tool_calls=_told_apart(message.tool_calls))
    return Reply(message, usage, stop, model)


def _told_apart(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls, each with an id of its own: results are told apart by it."""
    by_id: dict[str, ToolCall] = {}
    for call in calls:
        call_id = new_call_id() if call.id in by_id else call.id
        by_id[call_id] = replace(call, id=call_id)
    return tuple(by_id.values())


def new_call_id() -> str:
    """An id for a call that came without one; the observation needs one to refer to."""
    return f"call_{uuid.uuid4().hex}"


def tool_call(call_id: str | None, name: str | None, written: str) -> ToolCall:
    """A call whose arguments are JSON in the model's hand. Raises ModelMisbehaved without a name."""
    # Not every SDK holds what it receives against its own types.
    if not isinstance(name, str) or not name:
        raise ModelMisbehaved("The model called a tool without naming it: try again.")
    call_id = str(call_id or new_call_id())
    try:
        arguments = foreign_json(written)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        return ToolCall(call_id, name, {}, malformed=written)
    return ToolCall(call_id, name, arguments)
