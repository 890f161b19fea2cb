"""One question, one answer, no tools."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.messages import (
    AssistantMessage,
    Message,
    Stop,
    SystemMessage,
    ToolSpec,
    UserMessage,
)
from agentkit.planning.port import Ask, Move
from agentkit.planning.verdict import finish


class SimplePlanner:
    """Asks the model once, offering no tools, and ends with what it said."""

    pins: tuple[str, ...] = ()

    def open(self, instructions: str, goal: str, tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        """The instructions as they are, then the goal."""
        return SystemMessage(instructions), UserMessage(goal)

    def next(
        self, transcript: Sequence[Message], stop: Stop | None, tools: Sequence[ToolSpec] = ()
    ) -> Move:
        """Ask, then finish."""
        last = transcript[-1]
        if isinstance(last, AssistantMessage):
            return finish(last, stop)
        return Ask(tuple(transcript), offer_tools=False)
