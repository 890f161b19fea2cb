"""What the tool boundary asks of a security manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agentkit.decisions import Decision
from agentkit.messages import Effect, Label, ToolCall

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class CallContext:
    """Where a call comes from: the agent, its goal, the step's path, the tool's declared effect.

    `arguments` is what the tool will be given, as JSON: checked, converted, defaults filled in.
    Judge these and not the call's own, which are what the model wrote. `labels` says where all that
    the model has been shown in this run comes from; of arguments that a person gave, it is empty.
    """

    agent: str
    goal: str
    path: str
    effect: Effect
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    labels: frozenset[Label] = frozenset()


class SecurityManager(Protocol):
    """Decides each call. Assume the model is compromised: its text is no evidence of anything."""

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """Allow, deny or ask a person. Called once per valid call, before its effect, and once more
        when a person gave other arguments: what is denied stays denied, whoever wrote it.

        A replay asks again in the same order, also for calls that are recorded already; for those
        the recorded observation stands, whatever the answer is now.
        """
        ...
