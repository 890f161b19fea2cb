"""What the loop asks of a memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from agentkit.messages import Message, Usage

if TYPE_CHECKING:
    from pydantic import JsonValue


class Recorder(Protocol):
    """The run, as far as a memory may use it in one step."""

    async def __call__(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """What `run` came to, done once under this name in this step: a replay gets the same value."""
        ...

    def spent(self, usage: Usage) -> None:
        """Count what a model was asked for, among what the run uses; on a replay too."""
        ...


class Memory(Protocol):
    """Chooses which part of a conversation the model sees next."""

    async def window(self, messages: Sequence[Message], record: Recorder) -> tuple[Message, ...]:
        """The messages to send, in order.

        A pure function of its arguments but for what goes through `record`: replay calls it again.
        """
        ...
