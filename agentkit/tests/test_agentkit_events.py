"""Events can be stored, sent and read again."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentkit.decisions import Allow, Deny, NeedApproval
from agentkit.events import (
    Event,
    Finished,
    HandedOver,
    LimitReached,
    MemoryUsed,
    ModelDelta,
    ModelReplied,
    ModelStarted,
    PlanMade,
    PlannedStep,
    PromptBuilt,
    ToolFinished,
    ToolStarted,
    event_from_json,
)
from agentkit.messages import (
    AssistantMessage,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    Usage,
    to_json,
)

CALL = ToolCall("id_1", "add", {"a": 1})
SEEN = ToolMessage("id_1", "add", "2")


@pytest.mark.parametrize(
    "event",
    [
        ModelStarted(1, "m"),
        MemoryUsed(1, "summary"),
        PromptBuilt(1, 2, 300, ("add",)),
        ModelDelta(1, TextDelta("4")),
        ModelDelta(1, ReasoningDelta("hm")),
        ModelDelta(1, ToolCallDelta(0, "id_1", "add", "{")),
        PlanMade(1, (PlannedStep("s2", "add", {"a": "${s1}"}, ("s1",)),)),
        HandedOver(1, "id_1", "a", HandedOver(2, "id_2", "b", LimitReached(3, "cost", "$1"))),
        ModelReplied(1, Reply(AssistantMessage("", (CALL,)), Usage(1, 2), "tool_calls", "m")),
        ToolStarted(1, CALL, "unsafe"),
        ToolFinished(1, CALL, SEEN, Allow("rule")),
        ToolFinished(1, CALL, SEEN, Allow("rule"), Usage(1, 2, Decimal("0.1"))),
        ToolFinished(1, CALL, SEEN, Deny("rule", "reason")),
        ToolFinished(1, CALL, SEEN, NeedApproval("rule", "question")),
        LimitReached(2, "tokens", "too many"),
        Finished("42", 2, Usage(1, 2, Decimal("0.1")), "answered"),
    ],
)
def test_an_event_survives_json(event: Event) -> None:
    """Every kind of event, and of decision in it, is the same after a trip through JSON text."""
    assert event == event_from_json(json.loads(json.dumps(to_json(event))))
