"""What a model said, without what cannot be sent to it again or stored: halves of signs, and NUL.

JSON can write half of a sign (`"\\ud800"`), and models do where they are cut.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentkit.messages import Reply, ToolCall, clean


def clean_json(value: Any) -> Any:
    """The value with each text in it clean, names too."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(name): clean_json(inner) for name, inner in value.items()}
        case list():
            return [clean_json(inner) for inner in value]
    return value


def clean_reply(reply: Reply) -> Reply:
    """The reply as it goes into the conversation. A provider's own form of its thoughts is left as it is."""
    said = reply.message
    message = replace(
        said,
        text=clean(said.text),
        tool_calls=tuple(map(_clean_call, said.tool_calls)),
        reasoning=tuple(replace(thought, text=clean(thought.text)) for thought in said.reasoning),
    )
    return replace(reply, message=message, structured=clean_json(reply.structured))


def _clean_call(call: ToolCall) -> ToolCall:
    malformed = None if call.malformed is None else clean(call.malformed)
    return ToolCall(clean(call.id), clean(call.tool), clean_json(call.arguments), malformed)
