"""MCP with five servers of other people, over standard input and output and over HTTP."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agentkit import Agent, AllowList
from agentkit.events import ToolFinished
from agentkit.mcp import McpClient
from agentkit.messages import Label, UserMessage
from agentkit.testing import ScriptedLlm, call
from support.mcp_servers import (
    everything_server,
    filesystem_server,
    git_server,
    memory_server,
    time_server,
)

# One loop for the file: five servers are started once, not for every test.
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("folder")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "note.txt").write_text("Buy milk.")
    return tmp_path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(folder: Path) -> AsyncIterator[McpClient]:
    """All five, connected."""
    servers = [
        time_server(),
        git_server(folder),
        everything_server(),
        filesystem_server(folder),
        memory_server(folder / "memory.jsonl"),
    ]
    async with McpClient(servers) as client:
        statuses = await client.connect()
        assert ["connected"] * 5 == [status.state for status in statuses], statuses
        yield client


async def test_all_five_are_connected_and_called(client: McpClient, folder: Path) -> None:
    """Both protocols are spoken, and every server does what it is for."""
    assert {"2026-07-28", "2025-11-25"} == {status.protocol for status in client.status()}
    zone = await client.call("time", "get_current_time", {"timezone": "Asia/Tokyo"})
    assert "Asia/Tokyo" == zone.structured["timezone"]
    status = await client.call("git", "git_status", {"repo_path": str(folder)})
    assert "note.txt" in status.text
    assert "Echo: hello" == (await client.call("everything", "echo", {"message": "hello"})).text
    note = await client.call("files", "read_text_file", {"path": str(folder / "note.txt")})
    assert ("Buy milk.", {"content": "Buy milk."}) == (note.text, note.structured)
    known = {"entities": [{"name": "a", "entityType": "t", "observations": ["blue"]}]}
    await client.call("memory", "create_entities", known)
    found = await client.call("memory", "search_nodes", {"query": "blue"})
    assert ["a"] == [entity["name"] for entity in found.structured["entities"]]


async def test_their_own_errors_are_results(client: McpClient, folder: Path) -> None:
    """What a server says went wrong is for the model to read."""
    outside = await client.call("files", "read_text_file", {"path": "/etc/passwd"})
    zone = await client.call("time", "get_current_time", {"timezone": "Mars"})
    assert (True, True) == (outside.is_error, zone.is_error)
    assert "Access denied" in outside.text


async def test_resources_and_prompts_can_be_read(client: McpClient) -> None:
    """Text, data, templates; all of it labelled with its server."""
    label = Label("tool", "everything")
    first, *_ = await client.resources("everything")
    [content] = await client.read("everything", first.uri)
    assert (label, "text/markdown") == (content.label, content.media_type)
    assert (content.text or "").startswith("# Everything Server")
    templates = await client.resource_templates("everything")
    blob = next(one.uri for one in templates if "blob" in one.uri)
    [data] = await client.read("everything", blob.replace("{resourceId}", "1"))
    assert (None, True) == (data.text, b"Resource 1" in (data.data or b""))
    prompts = {prompt.name: prompt for prompt in await client.prompts("everything")}
    assert {"city": True, "state": False} == prompts["args-prompt"].arguments
    [message] = await client.prompt("everything", "args-prompt", {"city": "Paris"})
    assert UserMessage("What's weather in Paris?", label=label) == message
    assert ((), ()) == (await client.resources("time"), await client.prompts("time"))


async def test_a_listed_resource_of_memory_is_json(client: McpClient) -> None:
    """What a server keeps can be read without a tool."""
    [resource] = await client.resources("memory")
    [content] = await client.read("memory", resource.uri)
    assert {"entities", "relations"} <= json.loads(content.text or "").keys()


async def test_an_agent_uses_a_native_tool_and_the_proxy(client: McpClient, folder: Path) -> None:
    """The same servers, both ways."""
    file = {"path": str(folder / "note.txt")}
    llm = ScriptedLlm(
        [
            call(("mcp_list_tools", {"server_name": "files", "tool_name": "read_text_file"})),
            call(
                ("files__read_text_file", file),
                (
                    "mcp_proxy_tool",
                    {
                        "server_name": "everything",
                        "tool_name": "get-sum",
                        "arguments": {"a": 2, "b": 3},
                    },
                ),
            ),
            "Milk, and 5.",
        ]
    )
    tools = [await client.tool("files__read_text_file"), *client.proxy_tools()]
    agent = Agent(llm, tools=tools, security=AllowList([tool.name for tool in tools]))
    result = await agent.run("What do I buy?")
    listed, note, total = [
        event.observation.text for event in result.events if isinstance(event, ToolFinished)
    ]
    assert ("Buy milk.", True) == (note, '"path"' in listed)
    assert "The sum of 2 and 3 is 5." == total
