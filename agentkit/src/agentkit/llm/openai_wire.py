"""Our messages in the dialect of OpenAI's chat completions; `openai_reply` is the way back.

Every compatible server speaks this dialect, each with an accent of its own: `Dialect` says which.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

from agentkit.llm.openai_schema import response_format
from agentkit.llm.port import ModelRequest
from agentkit.llm.structured import in_words
from agentkit.messages import (
    AssistantMessage,
    Attachment,
    FilePart,
    ImagePart,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from agentkit.output import OutputSpec

JsonMode: TypeAlias = Literal["schema", "object", "prompt"]
"""How a server is asked for structured output: it is given the schema and keeps to it; it only
promises JSON, and the schema stands in the prompt; it promises nothing. The answer is held against
the schema all the same."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between one server and the next; `provider` is whose reasoning goes back."""

    provider: str
    max_tokens_name: str = "max_tokens"
    json_mode: JsonMode = "schema"


def request(model: str, asked: ModelRequest, dialect: Dialect) -> dict[str, Any]:
    """The body of a request for a completion; what is None is left out."""
    settings = asked.settings
    wanted = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": settings.seed,
        "stop": list(settings.stop) or None,
        "reasoning_effort": settings.reasoning_effort,
        dialect.max_tokens_name: settings.max_tokens,
        "tools": [_tool(tool) for tool in asked.tools] or None,
        "tool_choice": _tool_choice(settings.tool_choice) if asked.tools else None,
        "parallel_tool_calls": settings.parallel_tool_calls if asked.tools else None,
        "response_format": _response_format(asked.output, dialect.json_mode),
    }
    arguments = {name: value for name, value in wanted.items() if value is not None}
    messages = [to_wire(message, dialect) for message in _told(asked, dialect.json_mode)]
    return {"model": model, "messages": messages, **arguments}


def to_wire(message: Message, dialect: Dialect) -> dict[str, Any]:
    """One message as the request carries it."""
    match message:
        case SystemMessage(text):
            return {"role": "system", "content": text}
        case UserMessage(text, attachments) if attachments:
            parts = [{"type": "text", "text": text}, *map(_attachment, attachments)]
            return {"role": "user", "content": parts}
        case UserMessage(text):
            return {"role": "user", "content": text}
        case AssistantMessage():
            return _assistant(message, dialect.provider)
        case ToolMessage(call_id, _, text):
            return {"role": "tool", "tool_call_id": call_id, "content": text}
        case _:
            assert_never(message)


def _assistant(message: AssistantMessage, provider: str) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant", "content": message.text}
    if message.tool_calls:
        wire["content"] = message.text or None
        wire["tool_calls"] = [_call(call) for call in message.tool_calls]
    for reasoning in message.reasoning:
        if reasoning.provider == provider and reasoning.data is not None:
            wire |= reasoning.data
    return wire


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


def _response_format(output: OutputSpec | None, mode: JsonMode) -> dict[str, Any] | None:
    if output is None or mode == "prompt":
        return None
    if mode == "object":
        return {"type": "json_object"}
    return response_format(output.name, output.schema)


def _told(asked: ModelRequest, mode: JsonMode) -> Sequence[Message]:
    """The messages, the first of which has the schema in it when the request itself has not."""
    if asked.output is None or mode == "schema":
        return asked.messages
    told = in_words(asked.output)
    # Within the first: many servers take a system message at the start only.
    match asked.messages:
        case (SystemMessage(text), *rest):
            return [SystemMessage(f"{text}\n\n{told}"), *rest]
        case _:
            return [SystemMessage(told), *asked.messages]


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return {"type": "function", "function": function}


def _call(call: ToolCall) -> dict[str, Any]:
    # Malformed arguments go back as {}: servers that parse the history refuse broken JSON in it.
    function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}
