"""The function in this process: the fastest, and no isolation at all."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.tools.text import bounded, text_of

if TYPE_CHECKING:
    from agentkit.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class InProcess:
    """Awaits an async function; runs a sync one in a thread, which no timeout can stop."""

    def check(self, tool: Tool) -> None:
        """Every function can run here."""

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        """See `Isolation`."""
        if inspect.iscoroutinefunction(tool.function):
            result = await tool.function(**keywords)
        else:
            result = await asyncio.to_thread(_without_stop_iteration, tool.function, keywords)
        return bounded(text_of(result), tool.max_output)


def _without_stop_iteration(function: Callable[..., Any], keywords: dict[str, Any]) -> Any:
    # A StopIteration cannot travel through a future: it would leave the caller waiting for ever.
    try:
        return function(**keywords)
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error
