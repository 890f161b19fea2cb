"""The conversation of this run, cut to a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentkit.errors import UsageError
from agentkit.memory.port import Recorder
from agentkit.memory.turns import paired, split
from agentkit.messages import Message
from agentkit.tokens import tokens_of

DEFAULT_TOKENS = 16_000
"""Fits every current model, with room for tools and an answer."""


@dataclass(frozen=True, slots=True)
class ShortTermMemory:
    """Keeps the system message, the goal and the newest whole turns that fit.

    A turn is an assistant message with all its observations. It is kept or dropped as one: a tool
    call without its result, or a result without its call, is a conversation providers refuse. The
    newest turn is kept even when it alone is over the budget; then the provider is the judge.
    """

    max_tokens: int = DEFAULT_TOKENS

    def __post_init__(self) -> None:
        if self.max_tokens <= 0:
            raise UsageError(f"ShortTermMemory(max_tokens={self.max_tokens}): give more than 0.")

    async def window(self, messages: Sequence[Message], record: Recorder) -> tuple[Message, ...]:
        """The head of the conversation, then as many of the newest turns as the budget holds."""
        head, turns = split(paired(messages))
        left = self.max_tokens - tokens_of(head)
        kept: list[Message] = []
        for age, turn in enumerate(reversed(turns)):
            left -= tokens_of(turn)
            if left < 0 and age > 0:
                break
            kept[:0] = turn
        return (*head, *kept)
