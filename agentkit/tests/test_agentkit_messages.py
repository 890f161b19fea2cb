"""Messages, replies and what they cost."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from agentkit.messages import (
    AssistantMessage,
    Message,
    Reply,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    from_json,
    message_from_json,
    to_json,
)

CALL = ToolCall("id_1", "add", {"a": 1, "nested": {"b": [None, True]}})


@pytest.mark.parametrize(
    "message",
    [
        SystemMessage("be brief"),
        UserMessage("é \ud83d"),
        AssistantMessage("thought", (CALL, ToolCall("id_2", "add", {}, malformed="{"))),
        ToolMessage("id_1", "add", "no", is_error=True),
    ],
)
def test_a_message_survives_json(message: Message) -> None:
    """Every kind of message is the same after a trip through JSON text."""
    assert message == message_from_json(json.loads(json.dumps(to_json(message))))


@pytest.mark.parametrize("cost", [Decimal("0.000013"), None])
def test_a_reply_survives_json(cost: Decimal | None) -> None:
    """A reply keeps its calls, its exact price, and the difference between 0 and unknown."""
    reply = Reply(AssistantMessage("", (CALL,)), Usage(1, 2, cost), "tool_calls", "m")
    assert reply == from_json(Reply, json.loads(json.dumps(to_json(reply))))


def test_usage_adds_up() -> None:
    """Tokens and known prices are added."""
    assert Usage(4, 6, Decimal("0.3")) == Usage(1, 2, Decimal("0.1")) + Usage(3, 4, Decimal("0.2"))


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    """A total that leaves a part out would be silently too small."""
    assert (Usage(1, 1, Decimal(1)) + Usage(1, 1)).cost_usd is None


def test_a_price_is_unknown_unless_given() -> None:
    """Nobody can forget a price and get 0."""
    assert Usage(1, 1).cost_usd is None
