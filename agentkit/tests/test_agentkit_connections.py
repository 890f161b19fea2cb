"""Connections: one for each call under way, used again, closed when left; their errors as httpx2's."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import AsyncExitStack

import httpx2
import pytest
import uvloop

from agentkit.errors import ProviderUnavailable
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.connections import http_client
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.transport import OPENED_AT_ONCE
from agentkit.messages import UserMessage
from agentkit.testing import ChatServer, Events, HttpReply, Stall, completion

MANY = 120
"""More than the hundred that httpx2's and aiohttp's own pools stop at."""

GOAL = (UserMessage("x"),)
ONCE = RetryPolicy(attempts=1)


async def test_many_calls_at_the_same_time_have_a_connection_each() -> None:
    """No call waits for another's connection."""
    async with ChatServer([Events(("1",), then="stall")]) as server, AsyncExitStack() as stack:
        client = await stack.enter_async_context(http_client())
        calls = (client.stream("POST", f"{server.root_url}/x", json={}) for _ in range(MANY))
        await asyncio.gather(*map(stack.enter_async_context, calls))
        assert MANY == server.connections


async def test_so_many_connections_are_opened_at_a_time() -> None:
    """And the first requests leave while the last of a thousand agents still connect."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def never_greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)

    server = await asyncio.start_server(never_greets, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, http_client() as client, asyncio.timeout(5):
        url = f"https://{host}:{port}/"
        calls = [asyncio.create_task(client.post(url, json={})) for _ in range(MANY)]
        opened = [await accepted.get() for _ in range(OPENED_AT_ONCE)]
        _, last = await asyncio.open_connection(
            host, port
        )  # whatever else has come stands before it
        opened.append(await accepted.get())
        assert last.get_extra_info("sockname") == opened[-1].get_extra_info("peername")
        calls[0].cancel()
        opened.append(await accepted.get())
        for call in calls[1:]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for writer in (*opened, last):
            writer.close()


def test_a_model_is_asked_under_another_event_loop() -> None:
    """uvloop's transports are none of asyncio's classes."""

    async def asked() -> str:
        async with ChatServer([completion("ok")]) as server:
            client = OpenAiClient("m", "k", server.base_url, retry=ONCE)
            try:
                return (await client.complete(GOAL)).message.text
            finally:
                await client.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert "ok" == runner.run(asked())


async def test_calls_after_one_another_have_one_connection() -> None:
    """Opening one costs a round trip, and several with TLS."""
    async with ChatServer([completion("ok")]) as server:
        client = OpenAiClient("m", "k", server.base_url, retry=ONCE)
        for _ in range(5):
            await client.complete(GOAL)
        await client.aclose()
    assert 1 == server.connections


async def test_a_response_that_is_left_takes_its_connection_along() -> None:
    """Nobody reads what is left of it as the answer to something else."""
    async with ChatServer([Events(("1",), then="stall"), completion("ok")]) as server:
        async with http_client() as client:
            async with client.stream("POST", f"{server.root_url}/x", json={}) as response:
                assert b"data: 1\n\n" == await anext(response.aiter_bytes())
            await server.hung_up.wait()
            assert 200 == (await client.post(f"{server.root_url}/x", json={})).status_code
        assert 2 == server.connections


async def test_what_a_server_says_unasked_answers_nothing() -> None:
    """A load balancer may say 408 on a connection that was idle; what is asked next has its own answer."""
    answered: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        answered.put_nowait(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://{}:{}/".format(*server.sockets[0].getsockname())
    async with server, http_client() as client, http_client() as another, asyncio.timeout(5):
        await client.post(url, content=b"{}")
        first = await answered.get()
        first.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await another.post(url, content=b"{}")  # by then, what was written before is there
        assert 204 == (await client.post(url, content=b"{}")).status_code
        for writer in (first, await answered.get(), await answered.get()):
            writer.close()


async def test_a_request_without_times_has_those_of_its_client() -> None:
    """As httpx2's own client: none would wait for ever."""
    async with ChatServer([Stall()]) as server, http_client() as client, asyncio.timeout(5):
        client.timeout = httpx2.Timeout(5, read=0.1)
        with pytest.raises(httpx2.ReadTimeout):
            await client.send(httpx2.Request("POST", f"{server.root_url}/x", content=b"{}"))


async def test_what_is_sent_is_what_httpx2_says() -> None:
    """aiohttp adds no header of its own."""
    async with ChatServer([completion("ok")]) as server, http_client() as client:
        request = client.build_request("POST", f"{server.root_url}/x", content=b"{}")
        await client.send(request)
    assert dict(request.headers) == server.headers[0]


def test_one_client_serves_one_loop_after_another() -> None:
    """A script may run an agent twice, each time with `asyncio.run`."""

    async def asked(client: httpx2.AsyncClient) -> int:
        async with ChatServer([completion("ok")]) as server:
            return (await client.post(f"{server.root_url}/x", json={})).status_code

    client = http_client()
    assert [200, 200] == [asyncio.run(asked(client)) for _ in range(2)]


def test_a_client_that_is_not_closed_says_nothing() -> None:
    """As httpx2's own: aiohttp would log each session and each connection."""
    script = """if True:
        import asyncio
        from agentkit.llm.connections import http_client
        from agentkit.testing import ChatServer, completion

        async def ask():
            async with ChatServer([completion("ok")]) as server:
                await http_client().post(f"{server.root_url}/x", json={})
                forgotten = http_client()
                await forgotten.post(f"{server.root_url}/x", json={})

        asyncio.run(ask())
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "" == done.stdout + done.stderr


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (HttpReply(200, b"{}", {"content-length": "9"}), httpx2.ReadTimeout),
        (HttpReply(200, b"{}", {"transfer-encoding": "chunked"}), httpx2.RemoteProtocolError),
        (HttpReply(200, b"{}", {"bad name": "x"}), httpx2.RemoteProtocolError),
        (Events(("1",), then="cut"), httpx2.RemoteProtocolError),
        (Stall(), httpx2.ReadTimeout),
    ],
)
async def test_answers_that_are_none(
    reply: HttpReply | Events | Stall, kind: type[Exception]
) -> None:
    """A cut one is an error, never the end; so are garbage and silence."""
    timeout = httpx2.Timeout(5, read=0.2)
    async with ChatServer([reply]) as server, http_client() as client:
        with pytest.raises(kind):
            await client.post(f"{server.root_url}/x", json={}, timeout=timeout)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:{closed}/", httpx2.ConnectError),
        ("http://nowhere.invalid/", httpx2.ConnectError),
        ("ftp://127.0.0.1/", httpx2.UnsupportedProtocol),
    ],
)
async def test_servers_that_cannot_be_reached(url: str, kind: type[Exception]) -> None:
    """Each is the error that httpx2 has for it, and that the SDKs know."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    async with http_client() as client:
        with pytest.raises(kind):
            await client.post(url.format(closed=closed), json={})


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    """It would be two headers, the second in whoever's words; a key that was read from a file may end so."""
    async with ChatServer([completion("ok")]) as server, http_client() as client:
        with pytest.raises(httpx2.LocalProtocolError):
            await client.post(f"{server.root_url}/x", headers={"x-a": "1\r\nx-b: 2"}, json={})
    assert [] == server.headers


async def test_a_password_in_the_address_is_sent_as_a_header() -> None:
    """As httpx2 does: a server of one's own may stand behind one."""
    async with ChatServer([completion("ok")]) as server:
        address = server.base_url.replace("//", "//me:secret@")
        client = OpenAiClient("m", "k", address, retry=ONCE)
        await client.complete(GOAL)
        await client.aclose()
    assert "Basic bWU6c2VjcmV0" == server.headers[0]["authorization"]


async def test_a_proxy_is_told_who_asks() -> None:
    """The name and password of its address go to it, and not to the server."""
    async with (
        ChatServer([completion("ok")]) as proxy,
        http_client(proxy.root_url.replace("//", "//me:secret@")) as client,
    ):
        await client.post("http://model.invalid/x", json={})
    assert "Basic bWU6c2VjcmV0" == proxy.headers[0]["proxy-authorization"]


async def test_a_proxy_that_is_not_there() -> None:
    """It is an error of the proxy's, which the client of a model takes for a server out of reach."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    async with http_client(address) as client:
        with pytest.raises(httpx2.ProxyError):
            await client.post("http://model.invalid/x", json={})
        model = OpenAiClient("m", "k", "http://model.invalid/v1", retry=ONCE, http_client=client)
        with pytest.raises(ProviderUnavailable):
            await model.complete(GOAL)


def test_a_socks_proxy_is_left_to_httpx2() -> None:
    """aiohttp does not speak SOCKS; httpx2 says what to install."""
    with pytest.raises(ImportError, match="socks"):
        http_client("socks5://127.0.0.1:1")


@pytest.mark.parametrize(("timeout_s", "connect_s"), [(60.0, 3.0), (1.0, 1.0)])
async def test_a_call_bounds_its_connecting(timeout_s: float, connect_s: float) -> None:
    """A server that is not there is given up before a slow answer would be."""
    asked: list[dict[str, float]] = []

    async def note(request: httpx2.Request) -> None:
        asked.append(request.extensions["timeout"])

    async with ChatServer([completion("ok")]) as server, http_client() as http:
        http.event_hooks = {"request": [note]}
        client = OpenAiClient("m", "k", server.base_url, http_client=http, connect_timeout_s=3)
        await client.complete(GOAL, settings=ModelSettings(timeout_s=timeout_s))
    assert [(connect_s, timeout_s)] == [(one["connect"], one["read"]) for one in asked]
