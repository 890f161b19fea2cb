"""`opspawn mcp`: the process that a program starts, against the REST process's own application."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from mcp import Client, StdioServerParameters

from ops_core.testing import MemoryStore
from support.agent_doors import doors_over


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with doors_over(MemoryStore()) as address:
        yield address


def bridge(url: str) -> StdioServerParameters:
    program = "from opspawn.cli import main; main()"
    return StdioServerParameters(command=sys.executable, args=["-c", program, "mcp", "--url", url])


async def test_the_tools_of_the_server_are_passed_on(url: str) -> None:
    """Over pipes a program has the same tools, with the same answers and refusals."""
    async with Client(url + "/mcp") as direct, Client(bridge(url)) as piped:
        assert piped.server_info is not None
        assert ("opspawn", "0.1.0") == (piped.server_info.name, piped.server_info.version)
        assert direct.instructions == piped.instructions
        expected = (await direct.list_tools()).tools
        assert expected == (await piped.list_tools()).tools
        assert "run_default" in [tool.name for tool in expected]
        run = await piped.call_tool("run_default", {"goal": "What is 17 * 23?", "within_s": 0})
        sent = {"task_id": run.structured_content["task_id"]}
        assert await direct.call_tool("get_task", sent) == await piped.call_tool("get_task", sent)
        refused = await piped.call_tool("get_task", {"task_id": "task_none"})
        assert (True, "task_not_found") == (refused.is_error, refused.structured_content["type"])


async def test_a_server_that_is_not_there_is_said_in_one_line() -> None:
    """Whoever started the process reads what to do, on standard error."""
    process = await asyncio.create_subprocess_exec(
        *(bridge("http://127.0.0.1:9").command, *bridge("http://127.0.0.1:9").args),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    assert (4, b"") == (process.returncode, out)
    assert b"There is no MCP door at http://127.0.0.1:9" in said
    assert 1 == said.count(b"\n")
