"""Our messages in the dialect of Anthropic's Messages API, and its answers in ours.

The SDK does not validate what it receives (a field the type promises may be missing), so
`from_wire` checks whatever a broken server or proxy may leave out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentkit.errors import BadRequest, ModelMisbehaved
from agentkit.llm.anthropic_messages import call_names, conversation, instructions
from agentkit.llm.port import ModelRequest, ModelSettings
from agentkit.llm.replies import stop_for, tool_call, whole
from agentkit.messages import AssistantMessage, Reasoning, Reply, Stop, ToolSpec, Usage
from agentkit.output import OutputSpec

if TYPE_CHECKING:
    from anthropic.types import Message

DEFAULT_MAX_TOKENS = 8192
"""The API insists on a number. Every model that is still served takes this one."""

_STOPS: dict[str, Stop] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The provider stopped in the middle of work of its own tools, which are never offered here.
    "pause_turn": "length",
    "refusal": "refused",
}

_NOT_TAKEN = ("temperature", "top_p", "seed")
"""Settings this API has no place for; the SDK would raise a TypeError."""


def request(model: str, asked: ModelRequest, provider: str) -> dict[str, Any]:
    """What `messages.create` is asked, the timeout apart; what is None is left out.

    Raises BadRequest for a setting or an attachment that Claude does not take.
    """
    settings = asked.settings
    _check(settings)
    tools = [_tool(spec) for spec in asked.tools] or _no_longer_offered(asked)
    wanted = {
        "system": instructions(asked.messages) or None,
        "stop_sequences": list(settings.stop) or None,
        "tools": tools or None,
        "tool_choice": _tool_choice(asked) if tools else None,
        "output_config": _output_config(asked.output, settings) or None,
        # Effort is how much it thinks; without a summary, newer models show nothing of it.
        "thinking": {"type": "adaptive", "display": "summarized"}
        if settings.reasoning_effort
        else None,
    }
    return {
        "model": model,
        "max_tokens": settings.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": conversation(asked.messages, provider),
        **{name: value for name, value in wanted.items() if value is not None},
    }


def _check(settings: ModelSettings) -> None:
    for name in _NOT_TAKEN:
        if getattr(settings, name) is not None:
            raise BadRequest(
                f"Claude takes no {name}: leave it out of the settings, or choose another model."
            )
    if settings.reasoning_effort == "minimal":
        raise BadRequest("Claude takes no reasoning_effort 'minimal': say low, medium or high.")


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "input_schema": spec.parameters}


def _no_longer_offered(asked: ModelRequest) -> list[dict[str, Any]]:
    """Tools that were called earlier: the API wants whatever is called to be declared."""
    return [{"name": name, "input_schema": {"type": "object"}} for name in call_names(asked)]


def _tool_choice(asked: ModelRequest) -> dict[str, Any] | None:
    choice, parallel = asked.settings.tool_choice, asked.settings.parallel_tool_calls
    if choice == "none" or not asked.tools:
        return {"type": "none"}
    one_at_a_time = {} if parallel is None else {"disable_parallel_tool_use": not parallel}
    if choice == "auto":
        return {"type": "auto", **one_at_a_time} if one_at_a_time else None
    if choice == "required":
        return {"type": "any", **one_at_a_time}
    return {"type": "tool", "name": choice, **one_at_a_time}


def _output_config(output: OutputSpec | None, settings: ModelSettings) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if settings.reasoning_effort:
        config["effort"] = settings.reasoning_effort
    if output is not None:
        config["format"] = {"type": "json_schema", "schema": _strict(output)}
    return config


def _strict(output: OutputSpec) -> dict[str, Any]:
    """The schema in the subset the API takes; what it leaves out is checked when the answer is."""
    # Imported here like the rest of the SDK.
    from anthropic import transform_schema

    try:
        return transform_schema(output.schema)
    except (ValueError, AssertionError, AttributeError) as error:
        raise BadRequest(
            f"Claude does not take the schema of {output.name} ({error}): give every part a type."
        ) from None


def from_wire(message: Message, asked_model: str, provider: str) -> Reply:
    """A whole message, not priced yet; raises ModelMisbehaved when it is none."""
    content = getattr(message, "content", None)
    if not isinstance(content, list):
        raise ModelMisbehaved(
            "The model's server answered with something that is not a message: try again, or "
            "check that base_url is the root of Anthropic's API, without /v1."
        )
    stop = stop_for(getattr(message, "stop_reason", None), _STOPS)
    # tool_call reads text, as it comes in a stream; a dict becomes text again for it.
    calls = tuple(
        tool_call(block.id, block.name, _as_text(block.input))
        for block in content
        if block.type == "tool_use"
    )
    said = "".join(block.text for block in content if block.type == "text")
    if stop == "refused" and not said:
        said = _text(getattr(message, "stop_details", None), "explanation")
    answer = AssistantMessage(said, calls, _reasoning(content, provider))
    return whole(answer, used(message), stop, _text(message, "model") or asked_model)


def _as_text(arguments: object) -> str:
    if isinstance(arguments, str):
        return arguments or "{}"
    return json.dumps(arguments)


def _reasoning(content: list[Any], provider: str) -> tuple[Reasoning, ...]:
    """Thinking, signed or encrypted, and where it stood among the other blocks."""
    kept = []
    for at, block in enumerate(content):
        if block.type == "thinking":
            own = {"type": block.type, "thinking": block.thinking, "signature": block.signature}
            kept.append(Reasoning(_text(block, "thinking"), provider, {"at": at, "block": own}))
        elif block.type == "redacted_thinking":
            own = {"type": block.type, "data": block.data}
            kept.append(Reasoning("", provider, {"at": at, "block": own}))
    return tuple(kept)


def used(message: Message) -> Usage:
    """The tokens of a message; zeros when the server does not count, or counts below zero.

    The API counts input that was read from its cache or written to it apart from the rest.
    """
    usage = getattr(message, "usage", None)
    cached = _count(usage, "cache_read_input_tokens")
    return Usage(
        _count(usage, "input_tokens") + cached + cache_written(message),
        _count(usage, "output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=_count(getattr(usage, "output_tokens_details", None), "thinking_tokens"),
    )


def cache_written(message: Message) -> int:
    """Input tokens that were written to the cache, which costs more than to read them."""
    return _count(getattr(message, "usage", None), "cache_creation_input_tokens")


def _count(usage: object, name: str) -> int:
    counted = getattr(usage, name, None)
    return max(0, counted) if isinstance(counted, int) else 0


def _text(owner: object, name: str) -> str:
    text = getattr(owner, name, None)
    return text if isinstance(text, str) else ""
