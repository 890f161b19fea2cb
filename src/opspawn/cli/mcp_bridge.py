"""`opspawn mcp`: the tools of a running server, for programs that speak MCP over pipes."""

import asyncio
from typing import Any, Final

import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from opspawn.cli.exits import Unreachable
from opspawn.client.wire import is_local

Context = ServerRequestContext[Any, Any]

#: Longer than a call may wait, which the server bounds. Seconds.
_READ_S: Final = 330.0


def serve(url: str, key: str | None) -> None:
    """Serves until standard input ends, with that API key or token. Raises `Unreachable`."""
    try:
        asyncio.run(_bridged(f"{url.rstrip('/')}/mcp", key))
    except* (httpx2.HTTPError, httpx2.InvalidURL, OSError, MCPError) as group:
        raise Unreachable(
            f"There is no MCP door at {url} ({_first(group)}): start a server with `opspawn up` (and "
            "opspawn[all] installed), or set OPSPAWN_URL."
        ) from None


async def _bridged(url: str, key: str | None) -> None:
    timeout = httpx2.Timeout(10.0, read=_READ_S)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # A proxy from the environment cannot reach a server on this machine.
    async with (
        httpx2.AsyncClient(timeout=timeout, headers=headers, trust_env=not is_local(url)) as http,
        Client(streamable_http_client(url, http_client=http)) as remote,
        stdio_server() as (read, write),
    ):
        server = _server(remote)
        await server.run(read, write, server.create_initialization_options())


def _server(remote: Client) -> Server[Any]:
    """Asks the remote server for everything; what it answers is passed on as it is."""

    async def list_tools(
        _context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        cursor = params.cursor if params else None
        return await remote.list_tools(cursor=cursor, cache_mode="bypass")

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tell = context.session.report_progress
        return await remote.call_tool(params.name, params.arguments, progress_callback=tell)

    # A server may keep to itself who it is.
    version = remote.server_info.version if remote.server_info else ""
    return Server(
        "opspawn",
        version=version,
        instructions=remote.instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """The first error inside, in its own words."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
