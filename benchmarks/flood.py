"""Sends prepared HTTP requests as fast as they are answered, at the least cost to the machine.

The generator shares the cores with what it measures: a request is bytes that were made before, and of an
answer only its status and its length are looked at.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import Unavailable

#: Nothing that a flood measures may take longer. Seconds.
TIMEOUT_S = 120.0

#: Rest before a request that was answered with 503 is sent again. Seconds.
AGAIN_S = 0.05

_UNAVAILABLE = 503


class Refused(Unavailable):
    """The server did not do what it was asked for; the message has its answer."""


@dataclass(slots=True)
class Flooded:
    """`took_s`: of each request, from its first sending to its answer."""

    seconds: float = 0.0
    took_s: list[float] = field(default_factory=list)
    sent_again: int = 0
    """Answers 503, after which the same request was sent again."""


def request(path: str, body: object = None, headers: Sequence[str] = ()) -> bytes:
    """A POST, ready to be sent."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    if content:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + content


async def flood(port: int, requests: Iterable[bytes], connections: int) -> Flooded:
    """Sends all requests, one at a time on each connection. Raises `Refused`, `TimeoutError`."""
    loop, left, measured = asyncio.get_running_loop(), iter(requests), Flooded()
    opened = [
        await loop.create_connection(lambda: _Connection(left, measured), "127.0.0.1", port)
        for _ in range(connections)
    ]
    try:
        began = time.perf_counter()
        for _, connection in opened:
            connection.send_next()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(connection.ended for _, connection in opened))
        measured.seconds = time.perf_counter() - began
    finally:
        for transport, connection in opened:
            connection.ended.cancel()
            transport.close()
    return measured


class _Connection(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, left: Iterator[bytes], measured: Flooded) -> None:
        self._left, self._measured = left, measured
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._received = self._sent = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's is no subclass of asyncio's

    def send_next(self) -> None:
        found = next(self._left, None)
        if found is None:
            self.ended.set_result(None)
            return
        self._sent, self._sent_at = found, time.perf_counter()
        self._transport.write(found)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if not end or (length and len(body) < int(length)):
            return
        self._received = b""
        status = int(head[9:12])
        if status == _UNAVAILABLE:
            self._measured.sent_again += 1
            self._loop.call_later(AGAIN_S, self._transport.write, self._sent)
        elif not length or not 200 <= status < 300:
            self._fail(Refused((head + b"\n" + body)[:500].decode(errors="replace")))
        else:
            self._measured.took_s.append(time.perf_counter() - self._sent_at)
            self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionError(f"the server closed a connection: {error}"))

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
