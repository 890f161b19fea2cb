"""Real MCP servers that are killed: what was under way is in doubt, what comes next is served."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import McpError
from agentkit.mcp import Backoff, McpClient, McpServer
from support.mcp_servers import (
    everything_over_http,
    everything_server,
    filesystem_server,
    processes_of,
    time_server,
)

pytestmark = pytest.mark.integration

SOON = Backoff(first_s=0.05, max_s=1.0)

LONG: dict[str, Any] = {"duration": 60, "steps": 60}


async def test_a_server_that_is_killed_in_a_call_leaves_it_in_doubt() -> None:
    """And is there again for the next one."""
    server = everything_server()
    async with McpClient([server, time_server()], backoff=SOON) as client:
        await client.connect()
        under_way = asyncio.create_task(
            client.call("everything", "trigger-long-running-operation", LONG)
        )
        assert "Echo: a" == (await client.call("everything", "echo", {"message": "a"})).text
        [process] = processes_of(server)
        process.kill()
        with pytest.raises(McpError, match="broke during the call") as error:
            await under_way
        assert not error.value.before_effect
        zone = await client.call("time", "get_current_time", {"timezone": "UTC"})
        assert "UTC" == zone.structured["timezone"]
        assert "Echo: b" == (await client.call("everything", "echo", {"message": "b"})).text
        assert [2, 1] == [status.attempts for status in client.status()]


async def test_everything_over_http_dies_in_a_call_and_comes_back() -> None:
    """The session is a new one; what was under way is in doubt, what could not be sent is not."""
    with everything_over_http() as http:
        server = McpServer(name="everything", url=http.url)
        async with McpClient([server], backoff=SOON) as client:
            assert "Echo: a" == (await client.call("everything", "echo", {"message": "a"})).text
            assert 1 <= len(await client.resources("everything"))
            under_way = asyncio.create_task(
                client.call("everything", "trigger-long-running-operation", LONG)
            )
            await client.call("everything", "echo", {"message": "b"})
            http.kill()
            with pytest.raises(McpError) as broken:
                await under_way
            with pytest.raises(McpError) as unsent:
                await client.call("everything", "echo", {"message": "c"})
            assert (False, True) == (broken.value.before_effect, unsent.value.before_effect)
            http.start()
            async with asyncio.timeout(20):
                while client.status()[0].state != "connected":
                    await asyncio.sleep(0.05)
            assert "Echo: d" == (await client.call("everything", "echo", {"message": "d"})).text


async def test_a_session_that_the_server_has_forgotten_is_opened_again() -> None:
    """It refuses the call, which had no effect then; the next one is served."""
    with everything_over_http() as http:
        server = McpServer(name="everything", url=http.url)
        async with McpClient([server], backoff=SOON) as client:
            await client.connect()
            http.kill()
            http.start()
            with pytest.raises(McpError) as refused:
                await client.call("everything", "echo", {"message": "a"})
            assert refused.value.before_effect
            assert "Echo: b" == (await client.call("everything", "echo", {"message": "b"})).text


async def test_nothing_is_left_of_the_processes(tmp_path: Path) -> None:
    """Leaving the client ends them."""
    server = filesystem_server(tmp_path)
    async with McpClient([server]) as client:
        await client.connect()
        assert 1 == len(processes_of(server))
    assert [] == processes_of(server)
