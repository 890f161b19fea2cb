"""The tools of MCP servers, for the tasks that name them; a server is connected when one first does."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from agentkit.errors import UsageError
from agentkit.journal import Journal
from agentkit.mcp import McpClient
from agentkit.mcp.names import SEPARATOR, server_of
from agentkit.tools import Tool
from opspawn.agents.mcp_log import McpLog
from opspawn.agents.mcp_servers import McpConfigError, load
from opspawn.agents.seen_tools import keep
from opspawn.settings import Settings, variables


class McpTools:
    """Those of the servers in OPSPAWN_MCP_SERVERS; none without it. An async context manager.

    Raises `McpConfigError` when it is made.
    """

    def __init__(self, settings: Settings) -> None:
        path = settings.mcp_servers
        servers, pins = load(path, variables()) if path is not None else ([], {})
        said = McpLog()
        self._names = {server.name for server in servers}
        try:
            self._client = (
                McpClient(servers, pins=pins, on_withheld=said.withheld, on_status=said.status)
                if servers
                else None
            )
        except UsageError as error:  # its SDK is not installed
            raise McpConfigError(str(error)) from None

    async def named(self, names: Sequence[str]) -> Mapping[str, Tool]:
        """The tools among `names` that are theirs. Raises `McpError` for one that cannot be had now."""
        if self._client is None:
            return {}
        of_servers = [
            name for name in names if SEPARATOR in name and server_of(name) in self._names
        ]
        found = await asyncio.gather(*map(self._client.tool, of_servers))
        proxies = [tool for tool in self._client.proxy_tools() if tool.name in names]
        return {tool.name: tool for tool in (*found, *proxies)}

    async def of_run(self, names: Sequence[str], journal: Journal) -> Mapping[str, Tool]:
        """See `ServerTools`."""
        found = await self.named(names)
        if found:
            await keep(found.values(), journal)
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.__aexit__(kind, error, traceback)
