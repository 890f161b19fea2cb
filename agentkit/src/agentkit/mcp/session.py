"""One session with a server, by the SDK: opened, listed, told of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentkit.mcp.http import http
from agentkit.mcp.remarks import Remarks
from agentkit.mcp.server import McpServer
from agentkit.mcp.stdio import stdio

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool as ListedTool

_MOST_PAGES = 100


@asynccontextmanager
async def session(
    server: McpServer, remarks: Remarks, lost: asyncio.Event, changed: asyncio.Event
) -> AsyncIterator[Client]:
    """The SDK's client, connected. It must be left in the task that entered it.

    `lost` is set when the way to the server has broken, `changed` when its tools have.
    """
    # In a thread: the SDK takes a second or more to import, in which nothing else would run.
    await asyncio.to_thread(import_module, "mcp")
    import mcp_types
    from mcp import Client

    async def hear(message: Any) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            changed.set()

    async with AsyncExitStack() as stack:
        target = server.app
        if server.transport == "stdio":
            target = stdio(server, remarks, lost)
        elif server.transport == "http":
            target = await stack.enter_async_context(http(server, remarks, lost))
        client = Client(
            target,
            mode="legacy" if server.legacy else "auto",
            message_handler=hear,
            client_info=mcp_types.Implementation(name="agentkit", version="1"),
            # What a tool is must be asked each time: that is what the pins are for.
            cache=None,
        )
        yield await stack.enter_async_context(client)


async def listed_tools(client: Client, most: int) -> tuple[list[ListedTool], bool]:
    """The tools that the server lists, page by page, and whether it has more than are wanted."""
    if client.server_capabilities.tools is None:
        return [], False
    tools: list[ListedTool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) > most:
            break
    return tools[:most], cursor is not None or len(tools) > most


async def hear_of_changes(client: Client, changed: asyncio.Event) -> None:
    """Subscribe to changes where the protocol wants that; returns when there are no more to hear."""
    from mcp.client.subscriptions import SubscriptionLost
    from mcp.shared.exceptions import MCPError
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    tools = client.server_capabilities.tools
    told = tools is not None and tools.list_changed
    if not told or client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return
    while True:
        try:
            async with client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    changed.set()
        except MCPError:
            return  # it does not do what it said, or it has gone: then the session ends too
        except SubscriptionLost:
            pass
        # There is no replay: what changed in between is found by looking.
        changed.set()
        await asyncio.sleep(1.0)
