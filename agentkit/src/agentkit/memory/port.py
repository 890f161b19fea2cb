"""What the loop asks of a memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agentkit.messages import Message


class Memory(Protocol):
    """Chooses which part of a conversation the model sees next."""

    def window(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages to send, in order. Must be a pure function: replay calls it again."""
        ...
