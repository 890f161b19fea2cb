"""Thought, calls, observations, until the model answers (ReAct, Yao et al. 2022)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from agentkit.messages import (
    AssistantMessage,
    Message,
    Stop,
    SystemMessage,
    ToolCall,
    ToolSpec,
    UserMessage,
)
from agentkit.planning.port import Act, Ask, Finish, Move
from agentkit.planning.verdict import finish
from agentkit.prompts import Prompt, chosen

MAX_SAME_CALLS = 2
"""A call that told the model nothing twice will tell it nothing a third time."""


class ReActPlanner:
    """Asks the model, makes the calls it wants, shows it the observations, and so on.

    A model that wants the same call with the same arguments for the third time is in a loop: the
    run ends with the reason `repeated_call`, and the third call is not made. `prompt` is words of
    your own; else `prompt_version` chooses the file, the newest unless given. Raises UsageError,
    naming those there are, for a version there is not.
    """

    def __init__(self, *, prompt: Prompt | None = None, prompt_version: int | None = None) -> None:
        self._prompt = chosen("react", prompt, prompt_version)

    @property
    def pins(self) -> tuple[str, ...]:
        """The name and version of its prompt."""
        return (f"prompt:{self._prompt.name}",)

    def open(self, instructions: str, goal: str, tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        """The instructions followed by how to work with tools, then the goal."""
        return SystemMessage(f"{instructions}\n\n{self._prompt.text}"), UserMessage(goal)

    def next(
        self, transcript: Sequence[Message], stop: Stop | None, tools: Sequence[ToolSpec] = ()
    ) -> Move:
        """Calls are made, observations are shown, an answer ends the run."""
        last = transcript[-1]
        if not isinstance(last, AssistantMessage):
            return Ask(tuple(transcript))
        # A reply cut by its length may carry half a call: whatever it says, it is not an action.
        if stop != "tool_calls":
            return finish(last, stop)
        repeated = _repeated_call(transcript)
        if repeated is not None:
            times = MAX_SAME_CALLS + 1
            return Finish(
                f"Stopped: the model asked for {repeated.tool} with the same arguments {times} "
                "times, so it is in a loop.",
                "repeated_call",
            )
        return Act(last.tool_calls)


def _repeated_call(transcript: Sequence[Message]) -> ToolCall | None:
    """The first call that was asked for too often, over the whole run."""
    times: Counter[str] = Counter()
    for message in transcript:
        if isinstance(message, AssistantMessage):
            for call in message.tool_calls:
                key = json.dumps([call.tool, call.arguments, call.malformed], sort_keys=True)
                times[key] += 1
                if times[key] > MAX_SAME_CALLS:
                    return call
    return None
