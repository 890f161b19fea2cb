"""A pause of the run. A durable run holds nothing in memory meanwhile."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentkit.context import RunContext
from agentkit.tools.decorator import tool

SHORTEST_S = 1
LONGEST_S = 30 * 24 * 3600
"""30 days: a model that asks for more has made a mistake."""


@tool(effect="pure")
async def sleep(
    context: RunContext,
    seconds: Annotated[
        float, "how long, from 1 second to 30 days", Field(ge=SHORTEST_S, le=LONGEST_S)
    ],
) -> str:
    """Wait for a number of seconds before going on."""
    await context.sleep(seconds)
    return f"{seconds:g} seconds have passed."
