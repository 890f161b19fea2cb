"""A chat completion as our reply, whichever server wrote it.

The SDK does not validate what it receives (a field the type promises may be missing, or hold
something else), so what a broken server has been seen to leave out is checked here; a field of
another type surfaces where it is read, as a TypeError or its like, and the client says so.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from agentkit.errors import ModelMisbehaved
from agentkit.llm.replies import stop_for, tool_call, whole
from agentkit.messages import AssistantMessage, Reasoning, Reply, Stop, ToolCall, Usage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion
    from openai.types.chat.chat_completion import Choice

_STOPS: dict[str, Stop] = {
    "stop": "end",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "refused",
}


def from_wire(completion: ChatCompletion, asked_model: str, provider: str) -> Reply:
    """The one choice of a completion, not priced yet.

    Raises ModelMisbehaved when it is not a whole answer.
    """
    choice, stop = _finished_choice(completion)
    said = choice.message
    refusal = _text(getattr(said, "refusal", None))
    calls = tuple(_call(call) for call in getattr(said, "tool_calls", None) or ())
    thoughts = _reasoning(said, provider, calls=bool(calls))
    text = _text(getattr(said, "content", None))
    message = AssistantMessage(text or refusal, calls, thoughts)
    model = _text(getattr(completion, "model", None)) or asked_model
    return whole(message, used(completion), "refused" if refusal else stop, model)


def error_in(completion: ChatCompletion) -> dict[str, Any] | None:
    """What a server reports inside an answer that it began with HTTP 200: of all, or of a choice."""
    places = [completion, *(getattr(completion, "choices", None) or ())[:1]]
    errors = [getattr(place, "error", None) for place in places]
    return next((error for error in errors if isinstance(error, dict)), None)


def _finished_choice(completion: ChatCompletion) -> tuple[Choice, Stop]:
    if not getattr(completion, "choices", None):
        raise ModelMisbehaved(
            "The model's server answered without any choice: try again, or check that base_url is "
            "the root of an OpenAI-compatible API, usually ending in /v1."
        )
    choice = completion.choices[0]
    # Without a message, whatever the reason says, there is no answer.
    reason = None if getattr(choice, "message", None) is None else choice.finish_reason
    return choice, stop_for(reason, _STOPS)


def _call(call: Any) -> ToolCall:
    function = getattr(call, "function", None)
    written = _text(getattr(function, "arguments", None)) or "{}"
    name = _text(getattr(function, "name", None))
    return tool_call(_text(getattr(call, "id", None)), name, written)


def _reasoning(said: Any, provider: str, *, calls: bool) -> tuple[Reasoning, ...]:
    """What the model thought; none of these fields is OpenAI's own.

    OpenRouter wants `reasoning_details` back as they came. DeepSeek wants `reasoning_content` back
    beside tool calls, and did not take it elsewhere.
    """
    details = getattr(said, "reasoning_details", None)
    content = _text(getattr(said, "reasoning_content", None))
    text = _text(getattr(said, "reasoning", None)) or content
    data: dict[str, Any]
    if details:
        data = {"reasoning_details": [dict(detail) for detail in details]}
    elif content and calls:
        data = {"reasoning_content": content}
    else:
        return (Reasoning(text, provider),) if text else ()
    return (Reasoning(text, provider, data),)


def used(completion: ChatCompletion) -> Usage:
    """The tokens of a completion; zeros when the server does not count, or counts below zero."""
    usage: Any = getattr(completion, "usage", None)
    inside = getattr(usage, "prompt_tokens_details", None)
    written = getattr(usage, "completion_tokens_details", None)
    return Usage(
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        cached_tokens=_count(inside, "cached_tokens"),
        reasoning_tokens=_count(written, "reasoning_tokens"),
    )


def _count(counts: object, name: str) -> int:
    # `index` takes whole numbers only.
    return max(0, index(getattr(counts, name, None) or 0))


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError(value)
    return value or ""
