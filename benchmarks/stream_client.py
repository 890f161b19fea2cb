"""A client of one SSE stream that costs little: it shares the cores with what it measures."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

_ID = re.compile(rb"(?:^|\n)id: (\d+)")


class SseClient(asyncio.Protocol):
    """Remembers the number of the last event, and when it came."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting: tuple[int, asyncio.Future[float]] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, task_id: str, *, after: int) -> AsyncIterator[Self]:
        """Returns when the server has begun to answer."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(cls, "127.0.0.1", port)
        path = f"/api/v1/tasks/{task_id}/events?after={after}"
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
        try:
            transport.write(head.encode())
            await client.opened
            yield client
        finally:
            transport.close()

    async def seen(self, seq: int) -> float:
        """When the event of that number came: the monotonic time."""
        if self.last_seq >= seq:
            return time.monotonic()
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting = (seq, future)
        return await future

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if data.startswith(b"HTTP/1.1 200"):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(ConnectionError(data[:300].decode(errors="replace")))
        found = _ID.findall(data)
        if found:
            self.last_seq = int(found[-1])
        if self._waiting is not None and self.last_seq >= self._waiting[0]:
            future, self._waiting = self._waiting[1], None
            future.set_result(time.monotonic())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"closed before it answered: {error}"))
