"""A question to the person behind the run. The run waits for the answer, for as long as it takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentkit.context import RunContext
from agentkit.tools.decorator import tool

MAX_QUESTION = 2_000
"""Characters: what a person reads without scrolling."""


@tool(effect="pure")
async def ask_user(
    context: RunContext,
    question: Annotated[
        str, "one question, which can be answered in words", Field(max_length=MAX_QUESTION)
    ],
) -> str:
    """Ask the user something that only they can tell, and wait for the answer."""
    return await context.ask(question)
