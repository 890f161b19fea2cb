"""MCP over HTTP, against a server whose answers are written down: statuses, bounds, secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit.errors import McpError
from agentkit.mcp import McpClient, McpServer
from agentkit.mcp.http import Sending

TOOLS = {"tools": [{"name": "act", "inputSchema": {"type": "object"}}]}

WELCOME = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "canned", "version": "1"},
}


class CannedServer:
    """Speaks just enough HTTP. `status` and `text` are what a call is answered with."""

    def __init__(self) -> None:
        self.status = 200
        self.text = "done"
        self.lists_with = 200
        self.headers: list[str] = []
        self.methods: list[str] = []
        self.drops_calls = False
        self.calls = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.headers = head.lower().split("\r\n")
                self.methods.append(head.partition(" ")[0])
                length = next(
                    (line for line in self.headers if line.startswith("content-length")), ":0"
                )
                body = await reader.readexactly(int(length.partition(":")[2]))
                request = json.loads(body or b"{}")
                status, answer = self.answer(request)
                if self.drops_calls and request.get("method") == "tools/call":
                    return
                session = "Mcp-Session-Id: s1\r\n" if request.get("method") == "initialize" else ""
                data = json.dumps(answer).encode() if answer else b""
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{session}"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        base = {"jsonrpc": "2.0", "id": request.get("id")}
        match request.get("method"):
            case "initialize":
                return 200, {**base, "result": WELCOME}
            case "tools/list":
                return self.lists_with, {**base, "result": TOOLS}
            case "tools/call":
                self.calls += 1
                content = [{"type": "text", "text": self.text}]
                return self.status, {**base, "result": {"content": content}}
            case "server/discover":
                return 200, {**base, "error": {"code": -32601, "message": "no"}}
        return 202, None


@pytest.fixture
async def canned() -> AsyncIterator[CannedServer]:
    server = CannedServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


@pytest.fixture
async def client(canned: CannedServer) -> AsyncIterator[McpClient]:
    server = McpServer(
        name="canned",
        url=f"http://127.0.0.1:{canned.port}/mcp?token=secret-token",
        headers={"Authorization": "Bearer secret-key"},
        max_message_bytes=10_000,
    )
    async with McpClient([server]) as client:
        yield client


async def test_a_call_carries_the_headers(client: McpClient, canned: CannedServer) -> None:
    """Those that the operator gave, with every request."""
    assert "done" == (await client.call("canned", "act", {})).text
    assert "authorization: bearer secret-key" in canned.headers


@pytest.mark.parametrize(
    ("status", "before_effect", "why"),
    [
        (403, True, "refused the request: it answered HTTP 403"),
        (429, True, "refused the request: it answered HTTP 429"),
        (500, False, "answered with error -32603"),
        (502, False, "answered with error -32603"),
    ],
)
async def test_the_status_says_whether_a_call_is_in_doubt(
    client: McpClient, canned: CannedServer, status: int, before_effect: bool, why: str
) -> None:
    """Refused is refused; what failed on the way back may have happened. It is sent once."""
    await client.connect()
    canned.status = status
    with pytest.raises(McpError, match=why) as error:
        await client.call("canned", "act", {})
    assert (before_effect, 1) == (error.value.before_effect, canned.calls)


async def test_a_connection_that_breaks_under_a_call_leaves_it_in_doubt(
    client: McpClient, canned: CannedServer
) -> None:
    """It was sent once, and the session is still good."""
    await client.connect()
    canned.drops_calls = True
    with pytest.raises(McpError, match="broke during the call") as error:
        await client.call("canned", "act", {})
    assert (False, 1) == (error.value.before_effect, canned.calls)
    canned.drops_calls = False
    assert "done" == (await client.call("canned", "act", {})).text
    assert 1 == client.status()[0].attempts


def test_only_a_first_message_that_stays_alone_can_be_refused() -> None:
    """A stream that breaks and cannot be asked for again does not undo what was begun."""
    alone, followed, later = Sending(), Sending(), Sending()
    alone.begin()
    alone.refuse("no")
    followed.begin()
    followed.refuse("no")
    followed.begin()
    later.begin()
    later.begin()
    later.refuse("no")
    assert ("no", None, None) == (alone.refused, followed.refused, later.refused)


async def test_leaving_the_client_ends_the_session(canned: CannedServer) -> None:
    """The server need not keep it until it is forgotten."""
    server = McpServer(name="canned", url=f"http://127.0.0.1:{canned.port}/mcp")
    async with McpClient([server]) as client:
        await client.call("canned", "act", {})
    assert "DELETE" == canned.methods[-1]


async def test_an_answer_without_an_end_is_not_read(
    client: McpClient, canned: CannedServer
) -> None:
    """The connection is good for the next call."""
    canned.text = "x" * 20_000
    with pytest.raises(McpError, match="longer than 10000 bytes"):
        await client.call("canned", "act", {})
    canned.text = "short"
    assert "short" == (await client.call("canned", "act", {})).text


async def test_a_server_that_lets_nobody_in_is_told_without_secrets(
    client: McpClient, canned: CannedServer
) -> None:
    """The status, and not the key that was refused."""
    canned.lists_with = 401
    [status] = await client.connect()
    assert "it answered HTTP 401" in (status.error or "")
    assert "secret" not in f"{status}"


async def test_a_server_that_is_not_there_is_told() -> None:
    """Nothing was sent."""
    server = McpServer(name="gone", url="http://127.0.0.1:9/mcp?token=secret-token")
    async with McpClient([server]) as client:
        with pytest.raises(McpError, match="it cannot be reached") as error:
            await client.call("gone", "act", {})
        assert error.value.before_effect
        assert "secret" not in f"{client.status()}{error.value}"
