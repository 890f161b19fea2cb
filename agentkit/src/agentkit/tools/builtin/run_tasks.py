"""Goals for agents of their own, worked on at the same time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from agentkit.context import ChildResult, RunContext
from agentkit.tools.decorator import tool
from agentkit.tools.text import bounded

MAX_TASKS = 50
"""Each is a run that costs money: a model in a loop must not start thousands."""

MAX_OUTPUT = 20_000
"""Characters of all outcomes together, shared out evenly: one long answer must not hide the others."""


# Twice as much is never shown: what surrounds each outcome is short.
@tool(effect="pure", max_output=2 * MAX_OUTPUT)
async def run_tasks(
    context: RunContext,
    goals: Annotated[
        list[str],
        "what each task is to reach, in words that need nothing else to be understood",
        Field(min_length=1, max_length=MAX_TASKS),
    ],
    need: Annotated[
        int | None, "how many must have ended before you go on; all unless given", Field(ge=1)
    ] = None,
) -> list[ChildResult]:
    """Give goals to agents that work on them at the same time, and wait for their outcomes."""
    if need is not None and need > len(goals):
        raise ValueError(f"need is {need}, and there are only {len(goals)} goals")
    ids = [await context.start_child(goal) for goal in goals]
    results = await context.wait_children(ids, need)
    return [_shortened(result, MAX_OUTPUT // len(results)) for result in results]


def _shortened(result: ChildResult, max_characters: int) -> ChildResult:
    if result.output is None:
        return result
    return replace(result, output=bounded(result.output, max_characters))
