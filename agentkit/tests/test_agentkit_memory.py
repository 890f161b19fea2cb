"""The window of a conversation that a model is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from pydantic import JsonValue

from agentkit.errors import UsageError
from agentkit.memory import ShortTermMemory
from agentkit.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)


class _Unrecorded:
    """What a memory that records nothing needs no journal for."""

    async def __call__(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        raise AssertionError(name)

    def spent(self, usage: Usage) -> None:
        raise AssertionError(usage)


unrecorded = _Unrecorded()


HEAD: tuple[Message, ...] = (SystemMessage("be brief"), UserMessage("goal"))


def turn(number: int, size: int = 400) -> list[Message]:
    """A turn of two calls with their results, about `size` characters long."""
    calls = tuple(ToolCall(f"{number}{letter}", "t", {}) for letter in "ab")
    results = [ToolMessage(call.id, "t", "x" * (size // 2)) for call in calls]
    return [AssistantMessage("", calls), *results]


async def test_a_short_conversation_is_whole() -> None:
    """What fits is shown as it is."""
    conversation = (*HEAD, *turn(1), *turn(2))
    assert conversation == await ShortTermMemory().window(conversation, unrecorded)


async def test_the_oldest_turns_go_first() -> None:
    """System message, goal and the newest turns stay; the order does."""
    conversation = (*HEAD, *turn(1), *turn(2), *turn(3))
    expected = (*HEAD, *turn(2), *turn(3))
    assert expected == await ShortTermMemory(max_tokens=300).window(conversation, unrecorded)


@pytest.mark.parametrize("max_tokens", range(1, 600, 7))
async def test_no_call_is_ever_separated_from_its_result(max_tokens: int) -> None:
    """Whatever the budget, every result has its call and every call its result."""
    window = await ShortTermMemory(max_tokens).window(
        (*HEAD, *turn(1), *turn(2), *turn(3)), unrecorded
    )
    asked = [c.id for m in window if isinstance(m, AssistantMessage) for c in m.tool_calls]
    assert asked == [m.call_id for m in window if isinstance(m, ToolMessage)]


async def test_the_newest_turn_stays_even_when_it_is_too_long() -> None:
    """Without its last observation the model would ask for the same again."""
    conversation = (*HEAD, *turn(1), *turn(2, size=90_000))
    assert (*HEAD, *turn(2, size=90_000)) == await ShortTermMemory(1000).window(
        conversation, unrecorded
    )


def test_a_budget_of_nothing_is_refused() -> None:
    """A budget below one token is a mistake."""
    with pytest.raises(UsageError, match="give more than 0"):
        ShortTermMemory(0)
