"""The tools of servers as tools of an agent: one each, or all of them behind a proxy."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from agentkit.errors import FailedBeforeEffect, McpError, ToolFailed
from agentkit.mcp.definition import Definition
from agentkit.mcp.result import McpResult
from agentkit.mcp.server import McpServer
from agentkit.messages import ToolSpec
from agentkit.tools import SchemaArguments, Tool
from agentkit.tools.text import bounded

Call: TypeAlias = Callable[[str, str, dict[str, Any], str | None], Awaitable[McpResult]]
"""Calls a tool: server, tool, arguments, idempotency key. Raises McpError."""

PROXY = "mcp_proxy_tool"

LISTING = "mcp_list_tools"

_MAX_LISTING = 20_000
"""Characters: the manuals of some fifty tools."""

_PROXY_ARGUMENTS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["server_name", "tool_name", "arguments"],
    "properties": {
        "server_name": {"type": "string", "description": "the server that has the tool"},
        "tool_name": {"type": "string", "description": "the tool, as its server names it"},
        "arguments": {"type": "object", "description": "what fits the tool's own schema"},
    },
}

_LISTING_ARGUMENTS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "server_name": {"type": "string", "description": "only the tools of this server"},
        "tool_name": {"type": "string", "description": "only this tool, with its schema"},
    },
}


def native(server: McpServer, definition: Definition, call: Call) -> Tool:
    """A server's tool as one of an agent's."""

    async def function(arguments: dict[str, Any], idempotency_key: str | None) -> str:
        return await observed(call(server.name, definition.tool, arguments, idempotency_key))

    return Tool(
        function,
        definition.spec,
        definition.arguments,
        effect=definition.effect,
        timeout_s=server.connect_timeout_s + server.call_timeout_s,
        max_output=server.max_output,
        key_parameter="idempotency_key",
    )


def proxy(servers: Sequence[McpServer], call: Call) -> Tool:
    """One tool that calls any tool of any server. It is unsafe, because some of them may be."""

    async def function(arguments: dict[str, Any], idempotency_key: str | None) -> str:
        server, tool = arguments["server_name"], arguments["tool_name"]
        return await observed(call(server, tool, arguments["arguments"], idempotency_key))

    names = ", ".join(server.name for server in servers) or "none"
    description = (
        f"Call a tool of an MCP server. {LISTING} tells which there are. Servers: {names}."
    )
    return Tool(
        function,
        ToolSpec(PROXY, description, _PROXY_ARGUMENTS),
        SchemaArguments(_PROXY_ARGUMENTS),
        timeout_s=max((one.connect_timeout_s + one.call_timeout_s for one in servers), default=1.0),
        max_output=max((one.max_output for one in servers), default=1),
        key_parameter="idempotency_key",
    )


def listing(
    servers: Sequence[McpServer], listed: Callable[[str], Awaitable[Sequence[Definition]]]
) -> Tool:
    """The tool by which a model learns what it may call through the proxy."""

    async def function(arguments: dict[str, Any]) -> str:
        wanted, tool = arguments.get("server_name"), arguments.get("tool_name")
        lines: list[str] = []
        for server in servers:
            if wanted in (None, server.name):
                lines += await _manual(server, tool, listed)
        return "\n".join(lines) or f"There is no server {wanted!r}."

    return Tool(
        function,
        ToolSpec(LISTING, "List the tools of MCP servers.", _LISTING_ARGUMENTS),
        SchemaArguments(_LISTING_ARGUMENTS),
        effect="pure",
        timeout_s=sum(one.connect_timeout_s for one in servers) + 1.0,
        max_output=_MAX_LISTING,
    )


async def observed(result: Awaitable[McpResult]) -> str:
    """The text of a result. Raises what says to the tool boundary how a call has failed."""
    try:
        answer = await result
    except McpError as error:
        if error.before_effect:
            raise FailedBeforeEffect(error.message) from None
        raise
    if answer.is_error:
        raise ToolFailed(answer.text)
    return answer.text


async def _manual(
    server: McpServer, tool: str | None, listed: Callable[[str], Awaitable[Sequence[Definition]]]
) -> list[str]:
    try:
        definitions = await listed(server.name)
    except McpError as error:
        return [f"{server.name}: {error.message}"]
    lines = [f"{server.name}:"]
    for one in definitions:
        if tool is None:
            # A name and a line each: the schema of one is asked for by its name.
            lines.append(f"- {one.tool}: {bounded(' '.join(one.description.split()), 200)}")
        elif tool == one.tool:
            lines += [f"- {one.tool}: {one.description}", json.dumps(one.arguments.schema)]
    return lines
