"""What the loop asks of a memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from agentkit.messages import Message

if TYPE_CHECKING:
    from pydantic import JsonValue

Recorder: TypeAlias = "Callable[[str, Callable[[], Awaitable[JsonValue]]], Awaitable[JsonValue]]"
"""Records what a memory does under a name, once for each step: a replay gets the same value."""


class Memory(Protocol):
    """Chooses which part of a conversation the model sees next."""

    async def window(self, messages: Sequence[Message], record: Recorder) -> tuple[Message, ...]:
        """The messages to send, in order.

        A pure function of its arguments but for what goes through `record`: replay calls it again.
        """
        ...
