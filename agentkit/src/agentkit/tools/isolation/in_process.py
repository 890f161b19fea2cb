"""The function in this process: the fastest, and no isolation at all."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.tools.isolation.thread import in_thread
from agentkit.tools.text import bounded, text_of

if TYPE_CHECKING:
    from agentkit.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class InProcess:
    """Awaits an async function; runs a sync one in a thread of its own, which no timeout can stop."""

    def check(self, tool: Tool) -> None:
        """Every function can run here."""

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        """See `Isolation`."""
        if inspect.iscoroutinefunction(tool.function):
            result = await tool.function(**keywords)
        else:
            result = await in_thread(tool.function, keywords)
        return bounded(text_of(result), tool.max_output)
