"""One request and its answer over one of aiohttp's connections, in httpx2's words.

aiohttp's own client makes a request, a response and, before Python 3.12, a task for the body of each
call: as much again as the connection and the parser cost, and a turn of the event loop.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

_LONGEST_HEADER = 65_536
"""Bytes. aiohttp's own 8 KiB are fewer than what some gateways send."""

_WRITTEN_AT_ONCE = 65_536
"""Bytes of a body that are copied behind its headers, to be one packet with them where they fit."""

_NOT_IN_A_HEADER = re.compile(rb"[\r\n\0]")

_AS_HTTPX: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (TimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ClientProxyConnectionError, httpx2.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (HttpProcessingError, httpx2.RemoteProtocolError),
    (aiohttp.ClientConnectionError, httpx2.ReadError),
    (OSError, httpx2.ReadError),
    # What of a request could not be written down: a header with a line break in it.
    (ValueError, httpx2.LocalProtocolError),
    (aiohttp.ClientError, httpx2.NetworkError),
)
"""Which of httpx2's errors each of aiohttp's is; the first that fits."""

FAILURES = tuple(kind for kind, _ in _AS_HTTPX)
"""What may go wrong with a connection, before and while it is used."""


class TooLarge(httpx2.TransportError):
    """The body has more bytes than are read of one."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"more than {max_bytes} bytes")
        self.max_bytes = max_bytes


@dataclass(slots=True)
class Exchange:
    """A connection that is there for one request. `target` is what stands after the method; of the
    answer's body no more than `max_bytes` are read, as they are sent."""

    connection: Connection
    target: bytes
    max_bytes: int
    proxy_headers: tuple[tuple[bytes, bytes], ...] = ()

    async def answered(self, request: httpx2.Request, *, whole: bool) -> httpx2.Response:
        """Send the request, and return its response once its headers are there; its body too, where
        it is wanted `whole`.

        The connection goes back when the body was read to the end, and is closed otherwise.
        """
        protocol = self.connection.protocol
        assert protocol is not None, "a connection that was given back"
        try:
            await self._send(protocol, request)
            while True:
                message, payload = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    break  # what comes before says that the answer will come
            payload.on_eof(self.connection.release)
            if whole:
                said = b"".join([part async for part in _bounded(payload, self.max_bytes)])
                return httpx2.Response(
                    message.code, headers=message.raw_headers, content=said, request=request
                )
            body = _Body(self.connection, payload, self.max_bytes)
        except FAILURES as error:
            self.connection.close()
            raise of_httpx(error, request) from error
        except BaseException:
            self.connection.close()
            raise
        return httpx2.Response(
            message.code, headers=message.raw_headers, stream=body, request=request
        )

    async def _send(self, protocol: ResponseHandler, request: httpx2.Request) -> None:
        transport = protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("The connection was closed before its use.")
        body = await request.aread()
        if "Transfer-Encoding" in request.headers:  # in parts, of which there is one
            del request.headers["Transfer-Encoding"]
            request.headers["Content-Length"] = str(len(body))
        head = self._head(request)
        protocol.set_response_params(
            skip_payload=request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=request.extensions.get("timeout", {}).get("read"),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
        if len(body) <= _WRITTEN_AT_ONCE:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        protocol.start_timeout()

    def _head(self, request: httpx2.Request) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), self.target)]
        lines += [b"%b: %b" % field for field in (*request.headers.raw, *self.proxy_headers)]
        if any(map(_NOT_IN_A_HEADER.search, lines)):
            raise ValueError("A header has a line break in it, and would be two: mend its value.")
        return b"\r\n".join((*lines, b"", b""))


class _Body(httpx2.AsyncByteStream):
    """The bytes of a response as they come."""

    def __init__(self, connection: Connection, payload: StreamReader, max_bytes: int) -> None:
        self._connection = connection
        self._payload = payload
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in _bounded(self._payload, self._max_bytes):
                yield part
        except FAILURES as error:
            raise of_httpx(error) from error

    async def aclose(self) -> None:
        # Of one that was read to the end, the connection has gone back already.
        self._connection.close()

    def __del__(self) -> None:
        # Forgotten by whoever asked: given back, where it is closed, and nothing is said of it.
        self._connection.release()


async def _bounded(payload: StreamReader, max_bytes: int) -> AsyncIterator[bytes]:
    """The parts of a body as they come. Raises `TooLarge`."""
    left = max_bytes
    async for part in payload.iter_any():
        left -= len(part)
        if left < 0:
            raise TooLarge(max_bytes)
        yield part


def of_httpx(error: Exception, request: httpx2.Request | None = None) -> httpx2.TransportError:
    """httpx2's error for one of aiohttp's."""
    kind = next(theirs for ours, theirs in _AS_HTTPX if isinstance(error, ours))
    return kind(str(error) or type(error).__name__, request=request)


@lru_cache(maxsize=64)
def timeout_of(connect_s: float | None) -> aiohttp.ClientTimeout:
    """The time that a connection may take to be there, looking up the address included."""
    return aiohttp.ClientTimeout(connect=connect_s)
