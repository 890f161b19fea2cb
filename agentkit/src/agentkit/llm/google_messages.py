"""A conversation as the Gemini API carries it: contents of parts, instructions apart."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, assert_never

from agentkit.llm.attachments import decoded
from agentkit.messages import (
    AssistantMessage,
    Attachment,
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

Part: TypeAlias = dict[str, Any]

Role: TypeAlias = Literal["user", "model"]

SIGNATURE = "thought_signature"

_NOT_OURS = b"skip_thought_signature_validator"
"""What the API wants on a call that another model made; without any, newer ones refuse it."""


def instructions(messages: Sequence[Message]) -> str:
    """What the operator says, wherever it stands: the API takes it as one text."""
    said = (message.text for message in messages if isinstance(message, SystemMessage))
    return "\n\n".join(text for text in said if text.strip())


def conversation(messages: Sequence[Message], provider: str) -> list[dict[str, Any]]:
    """The contents, by turns: results of parallel calls, and what follows them, are one."""
    contents: list[dict[str, Any]] = []
    for message in messages:
        role, parts = to_wire(message, provider)
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def to_wire(message: Message, provider: str) -> tuple[Role, list[Part]]:
    """Whose turn a message belongs to, and its parts; none for instructions or an empty one."""
    match message:
        case SystemMessage():
            return "user", []
        case UserMessage(text, attachments):
            return "user", [*([{"text": text}] if text else []), *map(_attachment, attachments)]
        case AssistantMessage():
            return "model", _assistant(message, provider)
        case ToolMessage(call_id, tool, text, is_error):
            response = {"error" if is_error else "output": text}
            result = {"id": call_id, "name": tool, "response": response}
            return "user", [{"function_response": result}]
        case _:
            assert_never(message)


def _assistant(message: AssistantMessage, provider: str) -> list[Part]:
    """Signed thoughts, the text, the calls; each signature back where it came from."""
    own = [reasoning for reasoning in message.reasoning if reasoning.provider == provider]
    signatures = {key: signature for one in own for key, signature in _signatures(one)}
    parts: list[Part] = [
        {"text": one.text, "thought": True, SIGNATURE: signature}
        for one in own
        for (on, _), signature in _signatures(one)
        if on == "thought"
    ]
    on_text = signatures.get(("text", ""))
    if message.text or on_text:
        parts.append(_signed({"text": message.text}, on_text))
    # Only the first of a turn's calls has to have one.
    unsigned = None if own else _NOT_OURS
    for call in message.tool_calls:
        # Malformed arguments go back as {}: the API takes only an object.
        made = {"function_call": {"id": call.id, "name": call.tool, "args": call.arguments}}
        parts.append(_signed(made, signatures.get(("call", call.id), unsigned)))
        unsigned = None
    return parts


def _signatures(reasoning: Reasoning) -> list[tuple[tuple[str, str], bytes]]:
    """What a signature was on, with the id when that was a call, and the signature."""
    data = reasoning.data
    if data is None:
        return []
    return [((data["on"], data.get("id", "")), base64.b64decode(data[SIGNATURE]))]


def _signed(part: Part, signature: bytes | None) -> Part:
    return part if signature is None else {**part, SIGNATURE: signature}


def _attachment(part: Attachment) -> Part:
    match part:
        case ImagePart(media_type, _, str() as url):
            return {"file_data": {"file_uri": url, "mime_type": media_type}}
        case ImagePart(media_type) | FilePart(media_type):
            return {"inline_data": {"data": decoded(part), "mime_type": media_type}}
        case _:
            assert_never(part)
