"""What an agent did, held against what it should have done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from agentkit.agent import RunResult
from agentkit.events import ToolFinished

ExpectedCall: TypeAlias = "str | tuple[str, dict[str, Any]]"
"""A call by its tool alone, whatever its arguments, or by both."""


def assert_calls(result: RunResult, expected: Sequence[ExpectedCall]) -> None:
    """Raise AssertionError unless exactly these calls were made, in this order.

    A call that was denied, or could not be made, was not made; the message names those, too. Calls
    of agents that were called as tools are theirs, and not counted.
    """
    finished = [event for event in result.events if isinstance(event, ToolFinished)]
    made = [event.call for event in finished if event.decision.kind == "allow"]
    fits = len(made) == len(expected) and all(
        call.tool == wanted if isinstance(wanted, str) else (call.tool, call.arguments) == wanted
        for call, wanted in zip(made, expected, strict=True)
    )
    if fits:
        return
    denied = [event.call for event in finished if event.decision.kind != "allow"]
    raise AssertionError(
        "The agent made other calls.\n"
        f"expected: {_listed([_expected(one) for one in expected])}\n"
        f"made:     {_listed([_told(call.tool, call.arguments) for call in made])}\n"
        f"denied:   {_listed([_told(call.tool, call.arguments) for call in denied])}"
    )


def _expected(wanted: ExpectedCall) -> str:
    return f"{wanted}(…)" if isinstance(wanted, str) else _told(*wanted)


def _told(tool: str, arguments: dict[str, Any]) -> str:
    return f"{tool}({json.dumps(arguments, ensure_ascii=False)})"


def _listed(calls: Sequence[str]) -> str:
    return ", ".join(calls) or "nothing"
