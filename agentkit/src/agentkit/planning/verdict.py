"""How a run ends when the model has said its last word."""

from __future__ import annotations

from agentkit.messages import AssistantMessage, Stop
from agentkit.planning.port import Finish


def finish(message: AssistantMessage, stop: Stop | None) -> Finish:
    """Only a message the model ended by itself is an answer."""
    match stop:
        case "length":
            return Finish(message.text, "length")
        case "refused":
            return Finish(message.text, "refused")
        case _:
            return Finish(message.text, "answered")
