"""The tools one agent has, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentkit.errors import UsageError
from agentkit.messages import ToolSpec
from agentkit.tools.tool import Tool


class ToolRegistry:
    """Finds a tool by the name a model used. Two tools of one name are refused."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Register a tool. Raises UsageError when its name is taken or it is no tool."""
        if not isinstance(tool, Tool):
            raise UsageError(f"{tool!r} is not a tool: decorate the function with @tool.")
        if tool.name in self._tools:
            raise UsageError(f"Two tools are named {tool.name}: rename one with @tool(name=…).")
        self._tools[tool.name] = tool

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return self._tools.get(name)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What a model is offered, in the order of registration."""
        return tuple(tool.spec for tool in self)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)
