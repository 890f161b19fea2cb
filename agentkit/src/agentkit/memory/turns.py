"""A conversation in turns: what may be dropped is dropped whole, and no call is left without its result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from agentkit.messages import (
    AssistantMessage,
    FilePart,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)

CHARACTERS_PER_TOKEN = 4
"""A rough, language-blind estimate; exact counts need each provider's own tokenizer."""

TOKENS_PER_MESSAGE = 4
"""What roles and separators cost around the text, about the same for every provider."""

TOKENS_PER_IMAGE = 1_000
"""About what providers count for a picture of a megapixel."""


def paired(messages: Sequence[Message]) -> list[Message]:
    """The conversation with each call directly followed by its one result; other calls and results
    are left out, because a provider refuses a conversation that has them, and every later one too.
    """
    whole: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if isinstance(message, AssistantMessage) and message.tool_calls:
            results: list[ToolMessage] = []
            while at < len(messages) and isinstance(result := messages[at], ToolMessage):
                results.append(result)
                at += 1
            whole += _matched(message, results)
        elif not isinstance(message, ToolMessage):
            whole.append(message)
    return whole


def split(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """The system message and the goal, then the turns that followed.

    A turn is a message of the model with all its observations, or any other message.
    """
    starts_at = 0
    while starts_at < len(messages) and isinstance(messages[starts_at], SystemMessage):
        starts_at += 1
    if starts_at < len(messages) and isinstance(messages[starts_at], UserMessage):
        starts_at += 1
    turns: list[list[Message]] = []
    for message in messages[starts_at:]:
        if isinstance(message, ToolMessage) and turns:
            turns[-1].append(message)
        else:
            turns.append([message])
    return list(messages[:starts_at]), turns


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


def _matched(message: AssistantMessage, results: Sequence[ToolMessage]) -> list[Message]:
    """The message with the calls that have a result, and the first result of each."""
    first: dict[str, ToolMessage] = {}
    for result in results:
        first.setdefault(result.call_id, result)
    calls: dict[str, ToolCall] = {}
    for call in message.tool_calls:
        if call.id in first:
            calls.setdefault(call.id, call)
    if len(calls) < len(message.tool_calls):
        message = replace(message, tool_calls=tuple(calls.values()))
    if not calls and not message.text:
        return []
    return [message, *(result for id_, result in first.items() if id_ in calls)]
