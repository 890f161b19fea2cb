"""A server behind a URL: streamable HTTP, watched for what the SDK's transport does not tell.

Whether a request was refused before it began decides whether its effect is in doubt. The SDK turns
every failure into the same kind of answer, so the status is noted here, one layer below it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentkit.mcp.remarks import Remarks
from agentkit.mcp.server import McpServer

if TYPE_CHECKING:
    import httpx2

_SESSION = "mcp-session-id"

_FORGOTTEN = (400, 404)
"""What servers answer to a session that they do not know; the protocol says 404, not all do."""


class Sending:
    """What became of one request on its way; `refused` says why it cannot have had an effect.

    `broke` says that the connection did, under it. Only the first message counts, and only while
    it is the only one: what comes later in the same task (another round, a cancellation, a broken
    stream that is asked for again) says nothing of it.
    """

    def __init__(self) -> None:
        self.refused: str | None = None
        self.broke = False
        self._messages = 0

    @property
    def began(self) -> bool:
        """Whether any message was about to be sent."""
        return self._messages > 0

    def begin(self) -> None:
        """A message is about to be sent."""
        self._messages += 1
        self.refused = None

    def refuse(self, why: str) -> None:
        """The message was not taken."""
        if self._messages == 1:
            self.refused = why


sending: ContextVar[Sending | None] = ContextVar("agentkit_mcp_sending", default=None)
"""The request that is under way in this task: the SDK sends it in a task with the same context."""


@asynccontextmanager
async def http(server: McpServer, remarks: Remarks, lost: asyncio.Event) -> AsyncIterator[Any]:
    """The SDK's transport; `lost` is set when the server cannot be reached or ended the session."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    timeout = httpx2.Timeout(server.connect_timeout_s, read=None)
    transport = _watched(server, remarks, lost)
    async with httpx2.AsyncClient(
        headers=dict(server.headers), timeout=timeout, transport=transport
    ) as client:
        yield streamable_http_client(
            server.url or "", http_client=client, max_sse_event_size=server.max_message_bytes
        )


def _watched(server: McpServer, remarks: Remarks, lost: asyncio.Event) -> httpx2.AsyncBaseTransport:
    import httpx2

    class Watched(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            way = sending.get()
            if way is not None:
                way.begin()
            # An exception would take the other requests of the session along: an answer does not.
            try:
                response = await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
                lost.set()
                _refuse(f"it cannot be reached ({type(error).__name__})", way, remarks)
                return httpx2.Response(503, request=request)
            except httpx2.TransportError as error:
                remarks.add(f"\nthe connection broke ({type(error).__name__})")
                if way is not None:
                    way.broke = True
                return httpx2.Response(502, request=request)
            if response.status_code in _FORGOTTEN and _SESSION in request.headers:
                lost.set()
            _note(response.status_code, way, remarks)
            if response.headers.get("content-type", "").startswith("application/json"):
                response.stream = _bounded(response.stream, server.max_message_bytes)
            return response

    # As many as there are calls: one that hangs must not keep another from being sent.
    return Watched(limits=httpx2.Limits(max_connections=None))


def _note(status: int, way: Sending | None, remarks: Remarks) -> None:
    if 400 <= status < 500:
        _refuse(f"it answered HTTP {status}", way, remarks)
    elif status >= 500:
        remarks.add(f"\nHTTP {status}")


def _refuse(why: str, way: Sending | None, remarks: Remarks) -> None:
    remarks.add(f"\n{why}")
    if way is not None:
        way.refuse(why)


def _bounded(stream: Any, max_bytes: int) -> httpx2.AsyncByteStream:
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            read = 0
            async for chunk in stream:
                read += len(chunk)
                if read > max_bytes:
                    raise httpx2.StreamError(f"the answer is longer than {max_bytes} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()
