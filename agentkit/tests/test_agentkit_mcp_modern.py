"""MCP over HTTP with the protocol of 2026-07-28, which knows no session."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from agentkit.errors import McpError
from agentkit.mcp import IDEMPOTENCY_KEY, Backoff, McpClient, McpServer
from support.server_process import free_port

MODERN_SERVER = Path(__file__).parent / "mcp_servers" / "modern_server.py"

SOON = Backoff(first_s=0.05, max_s=0.5)


class Shop:
    """A shop behind a port of this machine, in this process."""

    def __init__(self) -> None:
        self.app = app = MCPServer("shop")
        self.port = free_port()
        self.bought = 0
        self.entered = asyncio.Event()

        @app.tool()
        async def buy(context: Context) -> str:
            """Buy."""
            self.bought += 1
            return str(dict(context.request_context.meta or {})[IDEMPOTENCY_KEY])

        @app.tool()
        async def wait() -> str:
            """Never end."""
            self.entered.set()
            await asyncio.Event().wait()
            return "never"

        async def sell() -> str:
            """Sell."""
            return "sold"

        @app.tool()
        async def extend(context: Context) -> str:
            """Offer another tool, and say so."""
            app.add_tool(sell)
            await context.notify_tools_changed()
            return "extended"

    async def open(self) -> None:
        config = uvicorn.Config(self.app.streamable_http_app(), port=self.port, log_config=None)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        async with asyncio.timeout(10):
            while not self._server.started:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        await self._serving


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    await shop.open()
    yield shop
    await shop.close()


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[McpClient]:
    server = McpServer(name="shop", url=f"http://127.0.0.1:{shop.port}/mcp")
    async with McpClient([server], backoff=SOON) as client:
        yield client


async def test_a_call_carries_its_key(client: McpClient) -> None:
    """In the protocol's own words."""
    assert "k1" == (await client.call("shop", "buy", {}, key="k1")).text
    assert "2026-07-28" == client.status()[0].protocol


async def test_many_calls_are_under_way_at_once(client: McpClient, shop: Shop) -> None:
    """More than a pool of connections usually holds; one more is still served."""
    waiting = [asyncio.create_task(client.call("shop", "wait", {})) for _ in range(120)]
    await shop.entered.wait()
    assert "k" == (await client.call("shop", "buy", {}, key="k")).text
    for call in waiting:
        call.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert ("connected", 1) == (client.status()[0].state, client.status()[0].attempts)


async def test_a_change_is_heard_over_http(client: McpClient) -> None:
    """By a subscription of its own."""
    await client.call("shop", "extend", {})
    async with asyncio.timeout(10):
        while "shop__sell" not in client.status()[0].tools:
            await asyncio.sleep(0.01)


def started(port: int, began: Path) -> subprocess.Popen[bytes]:
    """A server in a process of its own."""
    command = [sys.executable, str(MODERN_SERVER), str(port)]
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "BEGAN": str(began)}
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)


async def _listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def test_a_server_that_is_killed_leaves_a_call_in_doubt_and_may_come_back(
    tmp_path: Path,
) -> None:
    """What could not be sent is not in doubt."""
    port, began = free_port(), tmp_path / "began"
    server = McpServer(name="shop", url=f"http://127.0.0.1:{port}/mcp")
    process = started(port, began)
    try:
        await _listens(port)
        async with McpClient([server], backoff=SOON) as client:
            under_way = asyncio.create_task(client.call("shop", "wait", {}))
            async with asyncio.timeout(10):
                while not began.exists():
                    await asyncio.sleep(0.01)
            process.kill()
            process.wait()
            with pytest.raises(McpError, match="broke during the call") as broken:
                await under_way
            with pytest.raises(McpError) as unsent:
                await client.call("shop", "buy", {})
            assert (False, True) == (broken.value.before_effect, unsent.value.before_effect)
            process = started(port, began)
            await _listens(port)
            async with asyncio.timeout(10):
                while client.status()[0].state != "connected":
                    await asyncio.sleep(0.01)
            assert "bought" == (await client.call("shop", "buy", {})).text
    finally:
        process.kill()
        process.wait()
