"""The tools one agent has, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from agentkit.errors import UsageError
from agentkit.messages import ToolSpec
from agentkit.tools.isolation import Isolation, Sandbox, raise_missing
from agentkit.tools.tool import Tool


class ToolRegistry:
    """Finds a tool by the name a model used. Two tools of one name are refused.

    `sandbox` runs the tools made with `isolation="sandbox"`; without one they are refused.
    """

    __slots__ = ("_sandbox", "_tools")

    def __init__(self, tools: Iterable[Tool] = (), *, sandbox: Isolation | None = None) -> None:
        self._sandbox = sandbox
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Register a tool. Raises UsageError when its name is taken or it cannot be called."""
        if not isinstance(tool, Tool):
            raise UsageError(f"{tool!r} is not a tool: decorate the function with @tool.")
        if tool.name in self._tools:
            raise UsageError(f"Two tools are named {tool.name}: rename one with @tool(name=…).")
        if tool.is_method:
            raise UsageError(
                f"Tool {tool.name} is a method: take it from an instance of its class."
            )
        self._tools[tool.name] = self._isolated(tool)

    def _isolated(self, tool: Tool) -> Tool:
        if not isinstance(tool.isolation, Sandbox):
            return tool
        if self._sandbox is None:
            raise_missing(tool.name)
        return replace(tool, isolation=self._sandbox)

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
