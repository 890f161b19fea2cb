"""The tools of MCP servers as a run first saw them: a step of it, so that its replay needs no server.

What is on the worker's own disk is looked up there again; what a server says may have changed, or be gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol

from pydantic import JsonValue

from agentkit.journal import Journal, Step
from agentkit.messages import ToolSpec
from agentkit.tools import SchemaArguments, Tool
from agentkit.wire import from_json, to_json

SEEN: Final = Step("0/tools", "value", "mcp_tools", None, "pure")
"""Before the first step of the agent. Nothing compares what servers said then with what they say now."""


class ServerTools(Protocol):
    """Where a run gets the tools of MCP servers from."""

    async def of_run(self, names: Sequence[str], journal: Journal) -> Mapping[str, Tool]:
        """Those of the names that are theirs. Raises `McpError` for one that cannot be had now."""
        ...


async def keep(tools: Iterable[Tool], journal: Journal) -> None:
    """Records what the tools are, unless the run has done so before."""

    async def seen() -> JsonValue:
        return [{"spec": to_json(tool.spec), "effect": tool.effect} for tool in tools]

    await journal.record(SEEN, seen)


async def kept(journal: Journal) -> Mapping[str, Tool]:
    """The recorded tools, to look at: they cannot be called."""

    async def unseen() -> NoReturn:
        raise AssertionError("only what is recorded is asked for")

    recorded: Any = await journal.record(SEEN, unseen)
    tools = [_to_look_at(from_json(ToolSpec, one["spec"]), one["effect"]) for one in recorded]
    return {tool.name: tool for tool in tools}


def _to_look_at(spec: ToolSpec, effect: Any) -> Tool:
    async def function(**_: object) -> NoReturn:
        raise AssertionError("a replay calls no tool")

    return Tool(function, spec, SchemaArguments(spec.parameters), effect=effect)
