"""Nothing is allowed that was not allowed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from agentkit.decisions import Allow, Deny
from agentkit.messages import ToolCall
from agentkit.security import AllowList, CallContext

CONTEXT = CallContext("agent", "goal", "1/tool/1", "unsafe")


async def test_a_listed_tool_is_allowed() -> None:
    """A name on the list is allowed, by the rule that says so."""
    decision = await AllowList(["send"]).check(ToolCall("1", "send", {}), CONTEXT)
    assert Allow("allow_list") == decision


@pytest.mark.parametrize("names", [(), ["sender"], ["sen", "d"], "other"])
async def test_everything_else_is_denied(names: Iterable[str]) -> None:
    """No list, part of a name, the letters of a name: all denied."""
    assert isinstance(await AllowList(names).check(ToolCall("1", "send", {}), CONTEXT), Deny)


async def test_a_lone_name_is_a_list_of_one() -> None:
    """A string is not taken for a list of its letters."""
    allowed = AllowList("send")
    assert isinstance(await allowed.check(ToolCall("1", "send", {}), CONTEXT), Allow)
    assert isinstance(await allowed.check(ToolCall("1", "s", {}), CONTEXT), Deny)
