"""A client of the REST door that costs little.

It shares the cores with what it measures, and a general HTTP client would spend more time on a request than
the server does. One connection, one request at a time, nothing but what the door answers.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

#: No request of these benchmarks takes longer on a working system. Seconds.
TIMEOUT_S = 30.0

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RestError(Exception):
    """The door refused what it should accept."""


class NotNow(RestError):
    """503: the same request, with the same key, may be sent again."""


class Rest:
    """A kept-alive HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def submit(
        self,
        task_type: str,
        name: str,
        *,
        key: str | None = None,
        input_data: dict[str, Any] | None = None,
    ) -> str:
        """The id of the stored task. Raises `NotNow`."""
        body = {"task_type": task_type, "input_data": input_data or {}, "name": name}
        header = f"Idempotency-Key: {key}\r\n" if key else ""
        task = await self._call("POST", "/api/v1/tasks/", json.dumps(body).encode(), header)
        return str(task["task_id"])

    async def run(self, task_type: str, name: str) -> dict[str, Any]:
        """The task once it is done, or after half of this client's patience."""
        body = {"task_type": task_type, "input_data": {}, "name": name}
        wait = f"Prefer: wait={TIMEOUT_S / 2:.0f}\r\n"
        return await self._call("POST", "/api/v1/tasks/", json.dumps(body).encode(), wait)

    async def task(self, task_id: str) -> dict[str, Any]:
        return await self._call("GET", f"/api/v1/tasks/{task_id}")

    async def _call(
        self, method: str, path: str, body: bytes = b"", header: str = ""
    ) -> dict[str, Any]:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\n{header}Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(TIMEOUT_S):
            answered = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(answered)
            answer = await self._reader.readexactly(int(length[1]) if length else 0)
        status = int(answered.split(b" ", 2)[1])
        if status not in {200, 201}:
            kind = NotNow if status == 503 else RestError
            raise kind(f"{method} {path}: {status} {answer.decode(errors='replace')[:300]}")
        return json.loads(answer)  # type: ignore[no-any-return]  # an object, as documented
