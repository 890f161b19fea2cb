"""The conversation of this run, cut to a budget of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agentkit.errors import UsageError
from agentkit.memory.port import Recorder
from agentkit.messages import AssistantMessage, Message, SystemMessage, ToolMessage

CHARACTERS_PER_TOKEN = 4
"""A rough, language-blind estimate; exact counts need each provider's own tokenizer."""

TOKENS_PER_MESSAGE = 4
"""What roles and separators cost around the text, about the same for every provider."""


@dataclass(frozen=True, slots=True)
class ShortTermMemory:
    """Keeps the system message, the goal and the newest whole turns that fit.

    A turn is an assistant message with all its observations. It is kept or dropped as one: a tool
    call without its result, or a result without its call, is a conversation providers refuse. The
    newest turn is kept even when it alone is over the budget; then the provider is the judge.
    """

    max_tokens: int = 16_000

    def __post_init__(self) -> None:
        if self.max_tokens <= 0:
            raise UsageError(f"ShortTermMemory(max_tokens={self.max_tokens}): give more than 0.")

    async def window(self, messages: Sequence[Message], record: Recorder) -> tuple[Message, ...]:
        """The head of the conversation, then as many of the newest turns as the budget holds."""
        head, turns = _split(messages)
        left = self.max_tokens - sum(map(estimate_tokens, head))
        kept: list[Message] = []
        for age, turn in enumerate(reversed(turns)):
            left -= sum(map(estimate_tokens, turn))
            if left < 0 and age > 0:
                break
            kept[:0] = turn
        return (*head, *kept)


def estimate_tokens(message: Message) -> int:
    """About how many tokens a message is, from the length of its text."""
    text = message.text
    if isinstance(message, AssistantMessage):
        text += "".join(call.tool + json.dumps(call.arguments) for call in message.tool_calls)
    return TOKENS_PER_MESSAGE + -(-len(text) // CHARACTERS_PER_TOKEN)


def _split(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """The system message and the goal, then the turns that followed."""
    starts_at = 0
    while starts_at < len(messages) and isinstance(messages[starts_at], SystemMessage):
        starts_at += 1
    head = list(messages[: starts_at + 1])
    turns: list[list[Message]] = []
    for message in messages[starts_at + 1 :]:
        if isinstance(message, ToolMessage) and turns:
            turns[-1].append(message)
        else:
            turns.append([message])
    return head, turns
