"""What the loop asks of a planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agentkit.events import FinishReason, PlannedStep
from agentkit.messages import Message, Stop, ToolCall, ToolSpec
from agentkit.output import OutputSpec


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the model, showing it what the memory keeps of `messages`.

    `output` is what this answer must look like; None leaves that to what the agent was asked for.
    """

    messages: tuple[Message, ...]
    offer_tools: bool = True
    output: OutputSpec | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Make these calls, at the same time; `plan` is for listeners, when these are its first."""

    calls: tuple[ToolCall, ...]
    plan: tuple[PlannedStep, ...] | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run."""

    output: str
    reason: FinishReason


Move: TypeAlias = Ask | Act | Finish


class Planner(Protocol):
    """Decides each move. Both methods are pure functions of their arguments: no clock, no chance,
    no state kept between calls, because a replay calls them again and must get the same moves.
    """

    @property
    def pins(self) -> tuple[str, ...]:
        """What a replay must have to get the same moves, as in `prompt:react@1`."""
        ...

    def open(self, instructions: str, goal: str, tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        """The conversation before the first move."""
        ...

    def next(
        self, transcript: Sequence[Message], stop: Stop | None, tools: Sequence[ToolSpec]
    ) -> Move:
        """The next move; `stop` says how the last model call ended, None before the first.

        The transcript is what was opened, each reply and each observation, in their order. What it
        holds need not be shown as it is: the messages of an Ask are the planner's own choice.
        """
        ...
