"""MCP over standard input and output, against a server that does what a real one would not."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import McpError
from agentkit.mcp import IDEMPOTENCY_KEY, Backoff, McpClient, McpServer, ServerStatus, Withheld
from support.mcp_servers import processes_of

ODD_SERVER = Path(__file__).parent / "mcp_servers" / "odd_server.py"

AT_ONCE = Backoff(first_s=0.01, max_s=0.02)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def odd(ledger: Path) -> Callable[..., McpServer]:
    """Makes a server of a manner; its environment names the ledger."""

    def made(manner: str = "well", **options: Any) -> McpServer:
        environment = {"LEDGER": str(ledger), **options.pop("env", {})}
        return McpServer(
            name="odd",
            command=sys.executable,
            args=("-I", str(ODD_SERVER), manner),
            env=environment,
            **options,
        )

    return made


@asynccontextmanager
async def connected(server: McpServer, **options: Any) -> AsyncIterator[McpClient]:
    async with McpClient([server], backoff=AT_ONCE, **options) as client:
        await client.connect()
        yield client


def acted(ledger: Path) -> int:
    return ledger.read_text().count("acted") if ledger.exists() else 0


async def test_a_call_brings_its_text_and_its_key(odd: Callable[..., McpServer]) -> None:
    """What the operator gave as `meta` and the idempotency key reach the server."""
    async with connected(odd(meta={"tenant": "t1"})) as client:
        result = await client.call("odd", "echo", {"text": "hello"}, key="k1")
    said, meta = json.loads(result.text)
    assert ("hello", "k1", "t1") == (said, meta[IDEMPOTENCY_KEY], meta["tenant"])


async def test_a_call_is_made_once(odd: Callable[..., McpServer], ledger: Path) -> None:
    """Also one that succeeds."""
    async with connected(odd()) as client:
        assert "done" == (await client.call("odd", "act", {})).text
    assert 1 == acted(ledger)


async def test_structured_content_is_kept(odd: Callable[..., McpServer]) -> None:
    """As JSON for a program, and readable for a model even when the text says it in words."""
    async with connected(odd()) as client:
        result = await client.call("odd", "structured", {})
    assert ({"answer": 42}, 'forty-two\n{"answer": 42}') == (result.structured, result.text)


async def test_an_error_of_the_tool_is_a_result(odd: Callable[..., McpServer]) -> None:
    """The server has answered: it failed, and how is for the model to read."""
    async with connected(odd()) as client:
        result = await client.call("odd", "fail", {})
    assert (True, "the disk is full") == (result.is_error, result.text)


async def test_an_error_of_the_tool_repeats_no_secret(odd: Callable[..., McpServer]) -> None:
    """A model reads it, and a journal keeps it."""
    async with connected(odd(env={"LICENCE": "Bearer very-secret-key"})) as client:
        result = await client.call("odd", "fail", {})
    assert "the disk is full[secret]" == result.text


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("refuse", {}, "answered with error -32602: wrong"),
        ("nothing", {}, "there is no such tool"),
        ("echo", {}, "'text' is a required property"),
    ],
)
async def test_what_the_server_refused_had_no_effect(
    odd: Callable[..., McpServer], tool: str, arguments: dict[str, Any], why: str
) -> None:
    """Refused by the server or before it is asked: nothing is in doubt."""
    async with connected(odd()) as client:
        with pytest.raises(McpError, match=why) as error:
            await client.call("odd", tool, arguments)
    assert error.value.before_effect


@pytest.mark.parametrize(
    ("tool", "why"), [("break", "-32603: broken"), ("busy", "answered with error -32000: too busy")]
)
async def test_what_broke_inside_the_server_may_have_had_an_effect(
    odd: Callable[..., McpServer], ledger: Path, tool: str, why: str
) -> None:
    """An internal error does not say how far it had come; a code that the SDK uses for a broken
    connection too is the server's own while there is one."""
    async with connected(odd()) as client:
        with pytest.raises(McpError, match=why) as error:
            await client.call("odd", tool, {})
    assert (False, 1) == (error.value.before_effect, acted(ledger))


async def test_a_server_that_dies_in_a_call_is_started_again_and_not_asked_again(
    odd: Callable[..., McpServer], ledger: Path
) -> None:
    """The call fails in doubt; the next one finds a new process."""
    async with connected(odd()) as client:
        with pytest.raises(McpError, match="broke during the call") as error:
            await client.call("odd", "die", {})
        result = await client.call("odd", "structured", {})
        [status] = client.status()
    assert (False, 1) == (error.value.before_effect, acted(ledger))
    assert ({"answer": 42}, 2) == (result.structured, status.attempts)
    assert "out of luck" in status.said


async def test_who_listens_is_told_of_each_connection_and_each_loss(
    odd: Callable[..., McpServer],
) -> None:
    """An operator need not ask how a server stands."""
    told: asyncio.Queue[ServerStatus] = asyncio.Queue()
    async with connected(odd(), on_status=told.put_nowait) as client:
        with pytest.raises(McpError):
            await client.call("odd", "die", {})
        seen = [await asyncio.wait_for(told.get(), 20) for _ in range(3)]
    assert ["connected", "waiting", "connected"] == [status.state for status in seen]
    assert [None, "the connection broke", None] == [status.error for status in seen]


async def test_a_call_that_is_never_answered_ends_in_time(
    odd: Callable[..., McpServer], ledger: Path
) -> None:
    """In doubt; the connection is still good for others."""
    async with connected(odd(call_timeout_s=0.2)) as client:
        with pytest.raises(McpError, match=r"did not answer within 0\.2 s") as error:
            await client.call("odd", "hang", {})
        other = await client.call("odd", "structured", {})
    assert (False, 1, 42) == (error.value.before_effect, acted(ledger), other.structured["answer"])


async def test_calls_of_one_server_run_side_by_side(odd: Callable[..., McpServer]) -> None:
    """One that hangs holds up no other."""
    async with connected(odd()) as client:
        hanging = asyncio.create_task(client.call("odd", "hang", {}))
        assert 42 == (await client.call("odd", "structured", {})).structured["answer"]
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert 42 == (await client.call("odd", "structured", {})).structured["answer"]


async def test_a_server_that_never_answers_is_given_up_in_time(
    odd: Callable[..., McpServer],
) -> None:
    """It is told why, and a call of it fails at once, without an effect."""
    async with connected(odd("mute", connect_timeout_s=0.3)) as client:
        [status] = client.status()
        with pytest.raises(McpError, match="is not connected") as error:
            await client.call("odd", "act", {})
    assert "it did not answer within 0.3 s" == status.error
    assert (True, True) == (error.value.before_effect, error.value.retryable)


async def test_a_server_that_exits_at_once_is_told_with_its_last_words(
    odd: Callable[..., McpServer],
) -> None:
    """Without the secret that the operator gave it; and it is tried again."""
    server = odd("exits", env={"LICENCE": "very-secret-key"})
    async with connected(server) as client:
        [status] = client.status()
        async with asyncio.timeout(10):
            while client.status()[0].attempts < 3:
                await asyncio.sleep(0.01)
    assert "no licence: [secret]" in (status.error or "")
    assert "very-secret-key" not in f"{status}{server}"


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("endless_line", "longer than max_message_bytes"),
        ("junk", "writes what is no MCP message"),
    ],
)
async def test_a_server_that_floods_is_disconnected(
    odd: Callable[..., McpServer], manner: str, why: str
) -> None:
    """Nothing without an end is read to its end."""
    async with connected(odd(manner, max_message_bytes=100_000)) as client:
        [status] = client.status()
    assert why in (status.error or "")


async def test_a_flood_of_notifications_does_not_hold_up_calls(
    odd: Callable[..., McpServer],
) -> None:
    """They are read in turn with everything else."""
    async with connected(odd("notifies")) as client:
        assert 42 == (await client.call("odd", "structured", {})).structured["answer"]


async def test_what_it_writes_to_standard_error_is_bounded(odd: Callable[..., McpServer]) -> None:
    """Its end is kept."""
    async with connected(odd("chatty")) as client:
        [status] = client.status()
    assert "connected" == status.state
    assert status.said.endswith("noise the end")
    assert len(status.said) <= 2_000


async def test_long_lists_and_descriptions_are_cut_and_that_is_said(
    odd: Callable[..., McpServer],
) -> None:
    """A list that goes on for ever is read up to the bound."""
    async with connected(odd("many", max_tools=50, max_description=100)) as client:
        [status] = client.status()
        tools = await client.tools("odd")
    assert (50, "only the first 50 tools were read") == (len(status.tools), status.left_out[0])
    assert tools[0].spec.description.endswith("[cut: 100 of 10000 characters shown]")


async def test_pages_without_an_end_are_given_up(odd: Callable[..., McpServer]) -> None:
    """Also when they bring nothing."""
    async with connected(odd("pages_for_ever")) as client:
        assert ("connected", ()) == (client.status()[0].state, client.status()[0].tools)


async def test_a_long_result_is_cut_for_the_model(odd: Callable[..., McpServer]) -> None:
    """And the cut is said."""
    async with connected(odd(max_output=1_000)) as client:
        tool = await client.tool("odd__long")
        assert (await tool.call(tool.parse({}))).endswith("[cut: 1000 of 1000000 characters shown]")


async def test_nothing_secret_is_inherited(
    odd: Callable[..., McpServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server sees what it is given, PATH and its like; not the keys of the program."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with connected(odd(env={"OWN": "yes"})) as client:
        seen = json.loads((await client.call("odd", "environment", {})).text)
    assert ("yes", None) == (seen["OWN"], seen.get("OPENAI_API_KEY"))
    assert {"PATH", "HOME", "LANG", "LC_CTYPE", "LOGNAME", "SHELL", "TERM", "USER"} >= (
        seen.keys() - {"OWN", "LEDGER"}
    )


async def test_a_changed_definition_is_withheld_until_it_is_accepted(
    odd: Callable[..., McpServer],
) -> None:
    """What an agent holds of it can no longer be called, and neither can the new one."""
    told: asyncio.Queue[Withheld] = asyncio.Queue()
    async with connected(odd(), on_withheld=told.put_nowait) as client:
        before = client.pins["odd__echo"]
        held = await client.tool("odd__echo")
        await client.call("odd", "change", {})
        withheld = await told.get()
        assert ("odd__echo", before) == (withheld.name, withheld.pinned)
        assert "odd__echo" not in client.status()[0].tools
        with pytest.raises(McpError, match="nobody has accepted"):
            await client.call("odd", "echo", {"text": "a"})
        with pytest.raises(McpError, match="nobody has accepted"):
            await client.tool("odd__echo")
        client.accept("odd__echo")
        assert withheld.found == client.pins["odd__echo"]
        assert "send it to me" in (await client.tool("odd__echo")).spec.description
        with pytest.raises(Exception, match="since it was given to this agent"):
            await held.call(held.parse({"text": "a"}))


async def test_pins_of_an_earlier_run_hold(odd: Callable[..., McpServer]) -> None:
    """A server that changed in between is found out at once."""
    async with connected(odd()) as client:
        pins = client.pins
    async with connected(odd(), pins={**pins, "odd__echo": "0" * 64}) as client:
        [status] = client.status()
    assert ["odd__echo"] == [one.name for one in status.withheld]
    assert "odd__act" in status.tools


async def test_a_program_that_is_not_there_is_told() -> None:
    """In one line, with the name of the server."""
    server = McpServer(name="gone", command="/no/such/program")
    async with connected(server) as client:
        [status] = client.status()
    assert "gone cannot be started: No such file or directory" == status.error


async def test_one_bad_server_does_not_stop_the_others(odd: Callable[..., McpServer]) -> None:
    """Their tools are there all the same, and nobody waits for the next attempt to reach it."""
    bad = McpServer(name="gone", command="/no/such/program")
    async with McpClient([bad, odd()], backoff=Backoff(first_s=60)) as client:
        names = [tool.name for tool in await client.tools()]
        async with asyncio.timeout(10):
            with pytest.raises(McpError, match="gone is not connected"):
                await client.tools("gone")
    assert "odd__act" in names


async def test_allow_and_deny_choose_the_tools(odd: Callable[..., McpServer]) -> None:
    """Deny wins; what is not offered cannot be called through the proxy either."""
    async with connected(odd(allow=("e*", "act"), deny=("environment",))) as client:
        assert ("odd__echo", "odd__act") == client.status()[0].tools
        with pytest.raises(McpError, match="no such tool"):
            await client.call("odd", "environment", {})


@pytest.mark.parametrize("manner", ["well", "mute", "endless_line"])
@pytest.mark.parametrize("turns", [1, 5, 25, 125])
async def test_leaving_while_it_connects_leaves_nothing(
    odd: Callable[..., McpServer], manner: str, turns: int
) -> None:
    """However far it has come: a pipe or a process left open is an error of this test run."""
    server = odd(manner, max_message_bytes=10_000)
    async with McpClient([server], backoff=AT_ONCE) as client:
        connecting = asyncio.create_task(client.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
    [status] = await connecting
    assert "closed" == status.state
    gc.collect()
    assert [] == processes_of(server)


async def test_leaving_the_client_ends_the_process(odd: Callable[..., McpServer]) -> None:
    """And what waits for it is told."""
    async with connected(odd()) as client:
        hanging = asyncio.create_task(client.call("odd", "hang", {}))
        # Answered after the other one was sent.
        await client.call("odd", "structured", {})
    with pytest.raises(McpError, match="broke during the call"):
        await hanging
    assert "closed" == client.status()[0].state
    with pytest.raises(McpError, match="is closed"):
        await client.call("odd", "echo", {"text": "a"})
