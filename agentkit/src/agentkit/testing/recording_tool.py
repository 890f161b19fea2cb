"""A tool that does nothing but remember how it was called."""

from __future__ import annotations

from agentkit.messages import Effect
from agentkit.tools import Tool, tool


class RecordingTool:
    """The tool `tool` takes one `text` and answers with `result`, or raises it.

    `calls` holds the texts it was called with, in order.
    """

    def __init__(
        self,
        name: str = "record",
        result: str | Exception = "recorded",
        effect: Effect = "unsafe",
    ) -> None:
        self.calls: list[str] = []

        @tool(name=name, effect=effect)
        async def record(text: str) -> str:
            """Remember the text."""
            self.calls.append(text)
            if isinstance(result, Exception):
                raise result
            return result

        self.tool: Tool = record
