"""Events can be stored, sent and read again."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentkit.decisions import Allow, Deny, NeedApproval
from agentkit.events import (
    Event,
    Finished,
    LimitReached,
    ModelReplied,
    ModelStarted,
    ToolFinished,
    ToolStarted,
    event_from_json,
)
from agentkit.messages import AssistantMessage, Reply, ToolCall, ToolMessage, Usage, to_json

CALL = ToolCall("id_1", "add", {"a": 1})
SEEN = ToolMessage("id_1", "add", "2")


@pytest.mark.parametrize(
    "event",
    [
        ModelStarted(1, "m"),
        ModelReplied(1, Reply(AssistantMessage("", (CALL,)), Usage(1, 2), "tool_calls", "m")),
        ToolStarted(1, CALL, "unsafe"),
        ToolFinished(1, CALL, SEEN, Allow("rule")),
        ToolFinished(1, CALL, SEEN, Deny("rule", "reason")),
        ToolFinished(1, CALL, SEEN, NeedApproval("rule", "question")),
        LimitReached(2, "tokens", "too many"),
        Finished("42", 2, Usage(1, 2, Decimal("0.1")), "answered"),
    ],
)
def test_an_event_survives_json(event: Event) -> None:
    """Every kind of event, and of decision in it, is the same after a trip through JSON text."""
    assert event == event_from_json(json.loads(json.dumps(to_json(event))))
