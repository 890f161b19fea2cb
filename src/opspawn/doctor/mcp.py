"""Checks which MCP servers answer: each is started or called as a worker would, and left again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from agentkit.errors import UsageError
from agentkit.mcp import McpClient, McpServer, ServerStatus
from opspawn.agents.mcp_servers import McpConfigError, load
from opspawn.doctor.check_error import CheckError
from opspawn.settings import variables

#: Seconds that a server may take: a program that is fetched and started may need most of it.
TIMEOUT_S: Final = 10.0


def mcp_servers(path: Path) -> str:
    """Asks every enabled server for its tools."""
    try:
        servers, pins = load(path, variables())
        statuses = asyncio.run(_asked(servers, pins))
    except (McpConfigError, UsageError) as error:
        raise CheckError(f"OPSPAWN_MCP_SERVERS: {'; '.join(str(error).splitlines())}") from None
    if all(status.state == "connected" for status in statuses):
        return ", ".join(map(_answer, statuses)) or f"none is enabled in {path}"
    raise CheckError("; ".join(map(_answer, statuses)) + f"; correct {path}, or disable it there")


async def _asked(servers: Sequence[McpServer], pins: dict[str, str]) -> tuple[ServerStatus, ...]:
    hurried = [
        replace(one, connect_timeout_s=min(one.connect_timeout_s, TIMEOUT_S)) for one in servers
    ]
    async with McpClient(hurried, pins=pins) as client:
        return await client.connect()


def _answer(status: ServerStatus) -> str:
    if status.state != "connected":
        return f"{status.name} does not answer ({status.error})"
    held = f", {len(status.withheld)} withheld because they changed" if status.withheld else ""
    out = f", but {', '.join(status.left_out)}" if status.left_out else ""
    return f"{status.name} ({len(status.tools)} tools{held}{out})"
