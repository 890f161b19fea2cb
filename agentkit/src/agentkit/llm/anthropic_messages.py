"""A conversation as Anthropic's Messages API carries it: turns of blocks, instructions apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, assert_never

from agentkit.errors import BadRequest
from agentkit.llm.attachments import decoded
from agentkit.llm.port import ModelRequest
from agentkit.messages import (
    AssistantMessage,
    Attachment,
    FilePart,
    ImagePart,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

Block: TypeAlias = dict[str, Any]

Role: TypeAlias = Literal["user", "assistant"]

_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def instructions(messages: Sequence[Message]) -> str:
    """What the operator says, wherever it stands: the API takes it as one text."""
    said = (message.text for message in messages if isinstance(message, SystemMessage))
    return "\n\n".join(text for text in said if text.strip())


def conversation(messages: Sequence[Message], provider: str) -> list[dict[str, Any]]:
    """The turns, by turns: results of parallel calls, and what follows them, are one."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, blocks = to_wire(message, provider)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def call_names(asked: ModelRequest) -> list[str]:
    """The tools that were called in the conversation, each once."""
    calls = (
        call.tool
        for message in asked.messages
        if isinstance(message, AssistantMessage)
        for call in message.tool_calls
    )
    return list(dict.fromkeys(calls))


def to_wire(message: Message, provider: str) -> tuple[Role, list[Block]]:
    """Whose turn a message belongs to, and its blocks; none for instructions or an empty one."""
    match message:
        case SystemMessage():
            return "user", []
        case UserMessage(text, attachments):
            return "user", [*_text(text), *map(_attachment, attachments)]
        case AssistantMessage():
            return "assistant", _assistant(message, provider)
        case ToolMessage(call_id, _, text, is_error):
            result = {"type": "tool_result", "tool_use_id": _id(call_id), "content": text}
            return "user", [{**result, "is_error": True} if is_error else result]
        case _:
            assert_never(message)


def _text(text: str) -> list[Block]:
    # The API refuses a text block that is empty or blank.
    return [{"type": "text", "text": text}] if text.strip() else []


def _assistant(message: AssistantMessage, provider: str) -> list[Block]:
    """Text and calls, with the thinking of the same provider put back where it stood."""
    blocks = _text(message.text)
    for call in message.tool_calls:
        # Malformed arguments go back as {}: the API takes only an object.
        blocks.append(
            {"type": "tool_use", "id": _id(call.id), "name": call.tool, "input": call.arguments}
        )
    # Thinking alone, of an answer that was cut, is no turn.
    for reasoning in message.reasoning if blocks else ():
        if reasoning.provider == provider and reasoning.data is not None:
            blocks.insert(reasoning.data["at"], reasoning.data["block"])
    return blocks


def _id(call_id: str) -> str:
    # Ids that other providers gave may hold what this API refuses.
    return _NOT_IN_AN_ID.sub("_", call_id)


def _attachment(part: Attachment) -> Block:
    match part:
        case ImagePart(_, _, str() as url):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case ImagePart(media_type, data):
            return {"type": "image", "source": _base64(media_type, data or "")}
        case FilePart("application/pdf" as media_type, data, name):
            return {"type": "document", "title": name, "source": _base64(media_type, data)}
        case FilePart(media_type, _, name) if media_type.startswith("text/"):
            written = decoded(part).decode(errors="replace")
            source = {"type": "text", "media_type": "text/plain", "data": written}
            return {"type": "document", "title": name, "source": source}
        case FilePart(media_type, _, name):
            raise BadRequest(
                f"Claude reads PDF and text, and {name} is {media_type}: convert it, or leave it out."
            )
        case _:
            assert_never(part)


def _base64(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": data}
