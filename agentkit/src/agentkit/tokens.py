"""About how many tokens something is: one rough estimate for whatever must not exceed a window."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agentkit.messages import AssistantMessage, FilePart, Message, ToolSpec, UserMessage

CHARACTERS_PER_TOKEN = 4
"""A rough, language-blind estimate; exact counts need each provider's own tokenizer."""

TOKENS_PER_MESSAGE = 4
"""What roles and separators cost around the text, about the same for every provider."""

TOKENS_PER_IMAGE = 1_000
"""About what providers count for a picture of a megapixel."""


def estimate_tokens(message: Message) -> int:
    """About how many tokens a message is, from the length of what it holds."""
    characters = len(message.text)
    images = 0
    if isinstance(message, AssistantMessage):
        for call in message.tool_calls:
            characters += len(call.tool) + len(json.dumps(call.arguments))
        for thought in message.reasoning:
            characters += len(thought.text) + len(json.dumps(thought.data or ""))
    if isinstance(message, UserMessage):
        for part in message.attachments:
            if isinstance(part, FilePart):
                characters += len(part.data)
            else:
                images += 1
    text_tokens = -(-characters // CHARACTERS_PER_TOKEN)
    return TOKENS_PER_MESSAGE + text_tokens + images * TOKENS_PER_IMAGE


def tokens_of(messages: Sequence[Message]) -> int:
    """About how many tokens they are together."""
    return sum(map(estimate_tokens, messages))


def tokens_of_tools(tools: Sequence[ToolSpec]) -> int:
    """About how many tokens the offer of these tools is."""
    characters = sum(len(tool.description) + len(str(tool.parameters)) for tool in tools)
    return characters // CHARACTERS_PER_TOKEN
