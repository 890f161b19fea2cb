"""Messages as a model reads them that is to sum them up: bounded, and as plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import assert_never

from agentkit.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

MAX_QUOTED = 2_000
"""Characters of one text that are repeated: half a page of an observation tells what it was about."""


def transcribed(messages: Sequence[Message]) -> str:
    """One line or more for each message, saying who said it."""
    return "\n".join(line for message in messages for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    match message:
        case SystemMessage(text):
            yield f"operator: {_quoted(text)}"
        case UserMessage(text, attachments):
            yield f"{message.label.source}: {_quoted(text)}"
            if attachments:
                yield f"({len(attachments)} attachments)"
        case AssistantMessage(text, calls):
            if text:
                yield f"assistant: {_quoted(text)}"
            for call in calls:
                arguments = json.dumps(call.arguments, ensure_ascii=False)
                yield f"assistant called {call.tool}: {_quoted(arguments)}"
        case ToolMessage(_, tool, text, is_error):
            yield f"{tool} {'failed' if is_error else 'answered'}: {_quoted(text)}"
        case _:
            assert_never(message)


def _quoted(text: str) -> str:
    if len(text) <= MAX_QUOTED:
        return text
    half = MAX_QUOTED // 2
    return f"{text[:half]}\n[{len(text) - MAX_QUOTED} characters left out]\n{text[-half:]}"
