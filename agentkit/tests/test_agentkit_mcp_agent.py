"""Agents with the tools of MCP servers: doubt, replay, the proxy; the server is in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from agentkit import Agent, AllowList, InMemoryJournal, RunResult, Tool
from agentkit.errors import McpError, UsageError
from agentkit.events import ToolFinished
from agentkit.journal import Record
from agentkit.mcp import IDEMPOTENCY_KEY, McpClient, McpServer
from agentkit.testing import ScriptedLlm, call
from agentkit.testing.scripted_llm import Line


class Shop:
    """A server that counts what was done, and under which key."""

    def __init__(self) -> None:  # noqa: C901  one small function a tool
        self.app = app = MCPServer("shop")
        self.keys: list[str] = []

        @app.tool()
        async def buy(article: str, context: Context) -> str:
            """Buy an article."""
            meta = dict(context.request_context.meta or {})
            self.keys.append(str(meta[IDEMPOTENCY_KEY]))
            if article == "nothing":
                raise ToolError("there is no such article")
            if article == "bomb":
                raise RuntimeError("secret detail")
            return f"bought {article}"

        @app.tool()
        async def wait() -> str:
            """Never end."""
            await asyncio.Event().wait()
            return "never"

        async def sell() -> str:
            """Sell an article."""
            return "sold"

        @app.tool()
        async def extend(context: Context) -> str:
            """Offer another tool, and say so."""
            app.add_tool(sell)
            await context.notify_tools_changed()
            return "extended"

        @app.prompt()
        def greet(name: str) -> str:
            """Greet somebody."""
            return f"Hello, {name}!"

        @app.resource("shop://prices")
        def prices() -> str:
            """What things cost."""
            return "pear: 2"


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[McpClient]:
    server = McpServer(name="shop", app=shop.app, call_timeout_s=0.5, deny=("forbidden",))
    async with McpClient([server]) as client:
        yield client


async def run(
    tools: Sequence[Tool], *script: Line, records: Sequence[Record] = ()
) -> tuple[RunResult, InMemoryJournal]:
    journal = InMemoryJournal(records, run_id="r1")
    allowed = AllowList([tool.name for tool in tools])
    agent = Agent(ScriptedLlm(script), tools=tools, security=allowed, journal=journal)
    return await agent.run("Buy."), journal


def observations(result: RunResult) -> list[str]:
    return [event.observation.text for event in result.events if isinstance(event, ToolFinished)]


async def test_a_call_carries_the_key_of_its_step(client: McpClient, shop: Shop) -> None:
    """The same that a repetition would carry, by the native tool and by the proxy."""
    tools = [*await client.tools(), *client.proxy_tools()]
    bought = {"server_name": "shop", "tool_name": "buy", "arguments": {"article": "pear"}}
    result, journal = await run(
        tools, call(("shop__buy", {"article": "plum"}), ("mcp_proxy_tool", bought)), "Done."
    )
    assert ["bought plum", "bought pear"] == observations(result)
    expected = [journal.idempotency_key(f"1/tool/{n}") for n in (1, 2)]
    assert sorted(expected) == sorted(shop.keys)


async def test_a_replay_calls_nothing(client: McpClient, shop: Shop) -> None:
    """What a server answered is in the journal."""
    tools = await client.tools()
    script = call(("shop__buy", {"article": "plum"})), "Done."
    first, journal = await run(tools, *script)
    again, _ = await run(tools, *script, records=journal.records)
    assert observations(first) == observations(again)
    assert 1 == len(shop.keys)


@pytest.mark.parametrize(
    ("article", "shown"),
    [
        ("nothing", "there is no such article"),
        # What a server does not say on purpose is not for the model.
        ("bomb", "Error executing tool buy"),
    ],
)
async def test_the_words_of_a_tool_error_are_the_observation(
    client: McpClient, article: str, shown: str
) -> None:
    """Nothing is in doubt: the server has answered."""
    result, _ = await run(
        await client.tools(), call(("shop__buy", {"article": article})), "It failed."
    )
    [event] = [event for event in result.events if isinstance(event, ToolFinished)]
    assert event.observation.is_error
    assert event.observation.text.endswith(shown)
    assert "secret detail" not in event.observation.text


async def test_an_unsafe_call_that_is_not_answered_is_in_doubt(client: McpClient) -> None:
    """The model is told, where nobody else can be."""
    result, _ = await run(await client.tools(), call(("shop__wait", {})), "I do not know.")
    [told] = observations(result)
    assert "shop did not answer within 0.5 s" in told
    assert "may have taken effect all the same" in told


async def test_what_does_not_fit_the_schema_is_not_sent(client: McpClient, shop: Shop) -> None:
    """Natively before the call is scheduled, by the proxy before it is made."""
    wrong = {"server_name": "shop", "tool_name": "buy", "arguments": {"article": 7}}
    tools = [*await client.tools(), *client.proxy_tools()]
    result, _ = await run(
        tools, call(("shop__buy", {"article": 7}), ("mcp_proxy_tool", wrong)), "I give up."
    )
    native, proxied = observations(result)
    assert "Not called: wrong arguments: $.article: 7 is not of type 'string'." == native
    assert "mcp_proxy_tool failed and had no effect: shop buy: $.article: 7" in proxied
    assert [] == shop.keys


async def test_the_listing_tells_what_the_proxy_can_call(client: McpClient) -> None:
    """A line a tool; with its name, its schema; of a server that is not there, that."""
    _, listing = client.proxy_tools()
    assert (
        "shop:\n- buy: Buy an article.\n- wait: Never end.\n- extend: Offer another tool, and say so."
        == await listing.call(listing.parse({}))
    )
    manual = await listing.call(listing.parse({"server_name": "shop", "tool_name": "buy"}))
    assert '"article"' in manual
    nowhere = await listing.call(listing.parse({"server_name": "bank"}))
    assert "There is no server 'bank'." == nowhere


async def test_nothing_is_connected_before_it_is_needed(client: McpClient) -> None:
    """A client costs nothing until then."""
    assert "idle" == client.status()[0].state
    await client.tools()
    assert "connected" == client.status()[0].state


async def test_the_time_to_connect_is_over_once_it_is_connected(shop: Shop) -> None:
    """A session may last longer."""
    server = McpServer(name="shop", app=shop.app, connect_timeout_s=0.3, call_timeout_s=0.5)
    async with McpClient([server]) as client:
        with pytest.raises(McpError, match="did not answer within"):
            await client.call("shop", "wait", {})
        [status] = client.status()
    assert ("connected", 1) == (status.state, status.attempts)


async def test_a_tool_that_is_not_there_is_told(client: McpClient) -> None:
    """And so is a server."""
    with pytest.raises(McpError, match="no tool shop__fly: the server does not offer it"):
        await client.tool("shop__fly")
    with pytest.raises(McpError, match="no MCP server 'bank'; servers: shop"):
        await client.tool("bank__pay")


async def test_a_prompt_and_a_resource_are_read(client: McpClient) -> None:
    """Labelled, because somebody else wrote them."""
    [message] = await client.prompt("shop", "greet", {"name": "Ada"})
    [content] = await client.read("shop", "shop://prices")
    assert ("Hello, Ada!", False) == (message.text, message.label.trusted)  # type: ignore[union-attr]
    assert ("pear: 2", False) == (content.text, content.label.trusted)


async def test_a_new_tool_is_found_when_the_server_says_so(client: McpClient) -> None:
    """Also where the protocol has changes told to those who ask for them only."""
    await client.call("shop", "extend", {})
    async with asyncio.timeout(10):
        while "shop__sell" not in client.status()[0].tools:
            await asyncio.sleep(0.01)


def test_two_servers_of_one_name_are_refused(shop: Shop) -> None:
    """Their tools could not be told apart."""
    server = McpServer(name="shop", app=shop.app)
    with pytest.raises(UsageError, match="Two MCP servers are named shop"):
        McpClient([server, server])


async def test_leaving_a_client_that_was_never_used_is_nothing(shop: Shop) -> None:
    """No task, no session."""
    async with McpClient([McpServer(name="shop", app=shop.app)]) as client:
        pass
    assert "closed" == client.status()[0].state
