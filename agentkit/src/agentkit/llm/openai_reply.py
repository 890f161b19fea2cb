"""A chat completion as our reply, whichever server wrote it.

It is read as the JSON it came as: the SDK's types validate nothing, and to build them takes longer
than to parse. What a broken server has been seen to leave out is checked here; a field of another
type surfaces where it is read, as a TypeError or its like, and the client says so.
"""

from __future__ import annotations

from operator import index
from typing import Any

from agentkit.errors import ModelMisbehaved
from agentkit.llm.replies import stop_for, tool_call, whole
from agentkit.messages import AssistantMessage, Reasoning, Reply, Stop, ToolCall, Usage

_STOPS: dict[str, Stop] = {
    "stop": "end",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "refused",
}


def from_wire(completion: object, asked_model: str, provider: str) -> Reply:
    """The one choice of a completion, not priced yet.

    Raises ModelMisbehaved when it is not a whole answer.
    """
    said, stop = _finished(completion)
    refusal = _text(field(said, "refusal"))
    calls = tuple(_call(call) for call in field(said, "tool_calls") or ())
    thoughts = _reasoning(said, provider, calls=bool(calls))
    text = _text(field(said, "content"))
    message = AssistantMessage(text or refusal, calls, thoughts)
    model = _text(field(completion, "model")) or asked_model
    return whole(message, used(completion), "refused" if refusal else stop, model)


def error_in(completion: object) -> dict[str, Any] | None:
    """What a server reports inside an answer that it began with HTTP 200: of all, or of a choice."""
    places = [completion, *(field(completion, "choices") or ())[:1]]
    errors = [field(place, "error") for place in places]
    return next((error for error in errors if isinstance(error, dict)), None)


def field(of: object, name: str) -> Any:
    """What an object has under that name; None when it has nothing there, or is no object."""
    return of.get(name) if isinstance(of, dict) else None


def _finished(completion: object) -> tuple[object, Stop]:
    """The message of the first choice, and why it ends there."""
    choices = field(completion, "choices")
    if not choices:
        raise ModelMisbehaved(
            "The model's server answered without any choice: try again, or check that base_url is "
            "the root of an OpenAI-compatible API, usually ending in /v1."
        )
    said = field(choices[0], "message")
    # Without a message, whatever the reason says, there is no answer.
    reason = None if said is None else field(choices[0], "finish_reason")
    return said, stop_for(reason, _STOPS)


def _call(call: object) -> ToolCall:
    function = field(call, "function")
    written = _text(field(function, "arguments")) or "{}"
    name = _text(field(function, "name"))
    return tool_call(_text(field(call, "id")), name, written)


def _reasoning(said: object, provider: str, *, calls: bool) -> tuple[Reasoning, ...]:
    """What the model thought; none of these fields is OpenAI's own.

    OpenRouter wants `reasoning_details` back as they came. DeepSeek wants `reasoning_content` back
    beside tool calls, and did not take it elsewhere.
    """
    details = field(said, "reasoning_details")
    content = _text(field(said, "reasoning_content"))
    text = _text(field(said, "reasoning")) or content
    data: dict[str, Any]
    if details:
        data = {"reasoning_details": [dict(detail) for detail in details]}
    elif content and calls:
        data = {"reasoning_content": content}
    else:
        return (Reasoning(text, provider),) if text else ()
    return (Reasoning(text, provider, data),)


def used(completion: object) -> Usage:
    """The tokens of a completion; zeros when the server does not count, or counts below zero."""
    usage = field(completion, "usage")
    inside = field(usage, "prompt_tokens_details")
    written = field(usage, "completion_tokens_details")
    return Usage(
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        cached_tokens=_count(inside, "cached_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
    )


def _count(counts: object, name: str) -> int:
    # `index` takes whole numbers only.
    return max(0, index(field(counts, name) or 0))


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError(value)
    return value or ""
