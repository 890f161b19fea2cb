"""The promise that a function runs in a sandbox, until somebody says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Stands for the sandbox that a `ToolRegistry` is given; runs nothing by itself."""

    def check(self, tool: Tool) -> None:
        """What the sandbox asks of a tool is known when there is one."""

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        """Raises UsageError: a tool that asked for a sandbox never runs outside of one."""
        raise_missing(tool.name)


def raise_missing(name: str) -> NoReturn:
    """Say what is missing, and where it is given."""
    raise UsageError(
        f"Tool {name} is to run in a sandbox, and there is none: pass "
        "ToolRegistry(tools, sandbox=…), an Isolation that you trust to hold."
    )
