"""Clients of the doors that cost little: what they take of the cores, the doors do not get.

Requests are made before the clock starts. Of an answer over REST nothing is read but its status and its
length; one connection sends one request at a time, and many connections make the load. gRPC is called with
grpc.aio, whose cost is in its rows.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast
from uuid import uuid4

import grpc.aio

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc

#: No request of these benchmarks takes longer on a working system. Seconds.
TIMEOUT_S: Final = 60.0

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

Requests = Sequence[bytes]


class Pounding(asyncio.Protocol):
    """One connection, which sends the next request when the last one is answered."""

    def __init__(self, requests: Requests, done: "asyncio.Future[None]") -> None:
        self._requests = iter(requests)
        self._done = done
        self._answer = b""
        self._sent_at = 0.0
        self.took: list[float] = []
        self.bodies: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 20"):
            self._end(RuntimeError(self._answer[:500].decode(errors="replace")))
            return
        self.took.append(time.perf_counter() - self._sent_at)
        self.bodies.append(body)
        self._answer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or RuntimeError("the door closed the connection"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
        self._transport.close()


async def pound(port: int, requests: Requests, in_flight: int) -> tuple[float, list[Pounding]]:
    """Sends all of them, so many at once: how long it took (seconds), and what each connection saw."""
    loop = asyncio.get_running_loop()
    made: list[Pounding] = []
    ends: list[asyncio.Future[None]] = []

    def connection(number: int) -> Callable[[], Pounding]:
        end = loop.create_future()
        one = Pounding(requests[number::in_flight], end)
        made.append(one)
        ends.append(end)
        return lambda: one

    began = time.perf_counter()
    async with asyncio.timeout(TIMEOUT_S):
        for number in range(in_flight):
            await loop.create_connection(connection(number), "127.0.0.1", port)
        await asyncio.gather(*ends)
    return time.perf_counter() - began, made


async def pound_rpc(port: int, count: int, in_flight: int) -> tuple[float, list[float]]:
    """Creates so many tasks on one connection: how long all and each of them took (seconds)."""
    requests = [_create() for _ in range(count)]
    left, took = iter(requests), list[float]()
    stub_of: Any = tasks_pb2_grpc.TaskServiceStub  # generated without types
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = stub_of(channel)
        await stub.CreateTask(_create(), timeout=TIMEOUT_S, wait_for_ready=True)

        async def one_after_another() -> None:
            for request in left:
                sent_at = time.perf_counter()
                await stub.CreateTask(request, timeout=TIMEOUT_S)
                took.append(time.perf_counter() - sent_at)

        began = time.perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
        return time.perf_counter() - began, took


def _create() -> tasks_pb2.CreateTaskRequest:
    request = tasks_pb2.CreateTaskRequest(
        task_type="agent_run", name="n", idempotency_key=str(uuid4())
    )
    request.input_data.update({"goal": "What is 17 * 23?"})
    return request
