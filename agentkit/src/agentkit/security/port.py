"""What the tool boundary asks of a security manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentkit.decisions import Decision
from agentkit.messages import Effect, ToolCall


@dataclass(frozen=True, slots=True)
class CallContext:
    """Where a call comes from: the agent, its goal, the step's path, the tool's declared effect."""

    agent: str
    goal: str
    path: str
    effect: Effect


class SecurityManager(Protocol):
    """Decides each call. Assume the model is compromised: its text is no evidence of anything."""

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """Allow, deny or ask a person. Called once per valid call, before its effect.

        A replay asks again in the same order, also for calls that are recorded already; for those
        the recorded observation stands, whatever the answer is now.
        """
        ...
