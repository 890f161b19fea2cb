"""Our messages in the dialect of OpenAI's chat completions, and its answers in ours.

Every compatible server speaks this dialect, so this is the one place that knows its shapes. The
SDK does not validate what it receives (a field the type promises may be missing), so `from_wire`
checks whatever a broken server has been seen to leave out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, assert_never

from agentkit.errors import ModelMisbehaved
from agentkit.llm.port import ModelRequest
from agentkit.llm.replies import stop_for, tool_call, whole
from agentkit.messages import (
    AssistantMessage,
    Attachment,
    FilePart,
    ImagePart,
    Message,
    Reply,
    Stop,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
)
from agentkit.output import OutputSpec

if TYPE_CHECKING:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletion
    from openai.types.chat.chat_completion import Choice

_STOPS: dict[str, Stop] = {
    "stop": "end",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "refused",
}


def request(model: str, asked: ModelRequest, max_tokens_name: str) -> dict[str, Any]:
    """The keyword arguments of `chat.completions.create`; what is None is left out."""
    settings = asked.settings
    wanted = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": settings.seed,
        "stop": list(settings.stop) or None,
        "reasoning_effort": settings.reasoning_effort,
        max_tokens_name: settings.max_tokens,
        "tools": [_tool(tool) for tool in asked.tools] or None,
        "tool_choice": _tool_choice(settings.tool_choice) if asked.tools else None,
        "parallel_tool_calls": settings.parallel_tool_calls if asked.tools else None,
        "response_format": None if asked.output is None else _response_format(asked.output),
        # Each read; the attempt as a whole is bounded by the caller.
        "timeout": settings.timeout_s,
    }
    arguments = {name: value for name, value in wanted.items() if value is not None}
    return {"model": model, "messages": [to_wire(m) for m in asked.messages], **arguments}


def to_wire(message: Message) -> dict[str, Any]:
    """One message as the request carries it."""
    match message:
        case SystemMessage(text):
            return {"role": "system", "content": text}
        case UserMessage(text, attachments) if attachments:
            parts = [{"type": "text", "text": text}, *map(_attachment, attachments)]
            return {"role": "user", "content": parts}
        case UserMessage(text):
            return {"role": "user", "content": text}
        case AssistantMessage(text, calls) if calls:
            return {
                "role": "assistant",
                "content": text or None,
                "tool_calls": [_call_to_wire(call) for call in calls],
            }
        case AssistantMessage(text):
            return {"role": "assistant", "content": text}
        case ToolMessage(call_id, _, text):
            return {"role": "tool", "tool_call_id": call_id, "content": text}
        case _:
            assert_never(message)


def _attachment(part: Attachment) -> dict[str, Any]:
    match part:
        case ImagePart(media_type, data, url):
            address = url or f"data:{media_type};base64,{data}"
            return {"type": "image_url", "image_url": {"url": address}}
        case FilePart(media_type, data, name):
            inside = {"filename": name, "file_data": f"data:{media_type};base64,{data}"}
            return {"type": "file", "file": inside}
        case _:
            assert_never(part)


def _tool_choice(choice: str) -> str | dict[str, Any] | None:
    if choice == "auto":
        return None  # what a server does unless told otherwise; some know no other
    if choice in ("none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _response_format(output: OutputSpec) -> dict[str, Any]:
    inside = {"name": output.name, "schema": output.schema}
    return {"type": "json_schema", "json_schema": inside}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return {"type": "function", "function": function}


def _call_to_wire(call: ToolCall) -> dict[str, Any]:
    # Malformed arguments go back as {}: servers that parse the history refuse broken JSON in it.
    function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def from_wire(completion: ChatCompletion, asked_model: str) -> Reply:
    """The one choice of a completion, not priced yet.

    Raises ModelMisbehaved when it is not a whole answer.
    """
    choice, stop = _finished_choice(completion)
    refusal = getattr(choice.message, "refusal", None)
    calls = tuple(_call_from_wire(call) for call in choice.message.tool_calls or ())
    message = AssistantMessage(choice.message.content or refusal or "", calls)
    model = getattr(completion, "model", None) or asked_model
    return whole(message, used(completion), "refused" if refusal else stop, model)


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


def _call_from_wire(call: Any) -> ToolCall:
    function = getattr(call, "function", None)
    written = getattr(function, "arguments", None) or "{}"
    return tool_call(call.id, getattr(function, "name", None), written)


def used(completion: ChatCompletion) -> Usage:
    """The tokens of a completion; zeros when the server does not count."""
    usage = getattr(completion, "usage", None)
    if usage is None:
        return Usage()
    return Usage(
        usage.prompt_tokens or 0,
        usage.completion_tokens or 0,
        cached_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _detail(usage: CompletionUsage, details: str, name: str) -> int:
    return getattr(getattr(usage, details, None), name, None) or 0
