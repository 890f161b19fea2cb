"""A client whose connection breaks again and again: a thousand times, anywhere in a frame."""

import asyncio
import contextlib
import random
from collections.abc import Iterator

import httpx2
import pytest
from door_support import served, service_over
from stream_support import EVENTS, QUICK, Script, started

from ops_core.api import create_app
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit

CLIENTS, RECONNECTS = 20, 50


def whole_frames(read: bytes) -> Iterator[int]:
    """The ids of the frames that came whole: those that end with their empty line."""
    head, _, body = read.partition(b"\r\n\r\n")
    assert not body or b" 200 " in head, head
    for frame in body.split(b"\n\n")[:-1]:
        for line in frame.splitlines():
            if line.startswith(b"id: "):
                yield int(line[4:])


class Breaking:
    """Follows a task, and cuts each of its connections after a random number of bytes."""

    def __init__(self, port: int, task_id: str, chance: random.Random) -> None:
        self._port = port
        self._path = EVENTS.format(task_id)
        self._chance = chance
        self.ids: list[int] = []

    async def break_often(self) -> None:
        for _ in range(RECONNECTS):
            await self._connect(self._chance.randint(0, 1500))

    async def read_the_rest(self) -> None:
        await self._connect(None)

    async def _connect(self, most: int | None) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        last = self.ids[-1] if self.ids else 0
        # HTTP/1.0: nothing is wrapped into chunks.
        writer.write(
            f"GET {self._path} HTTP/1.0\r\nAccept: text/event-stream\r\n"
            f"Last-Event-ID: {last}\r\n\r\n".encode()
        )
        read = b""
        while most is None or len(read) < most:
            found = await reader.read(1000 if most is None else most - len(read))
            if not found:
                break
            read += found
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.ids += whole_frames(read)


async def write_on(script: Script) -> None:
    """Slower than the clients read, so that they are now behind and now at the edge."""
    while True:
        await script.write()
        await asyncio.sleep(0.002)


async def test_a_thousand_broken_connections_cost_no_event_and_repeat_none() -> None:
    """Every client has the whole log, once and in order, however it was cut up."""
    script = await started(store := MemoryStore())
    services = services_of(service_over(store), streams=QUICK)
    async with asyncio.timeout(60), served(create_app(services)) as client:
        port = httpx2.URL(client.base_url).port
        assert port is not None
        clients = [Breaking(port, script.task_id, random.Random(n)) for n in range(CLIENTS)]
        writing = asyncio.create_task(write_on(script))
        await asyncio.gather(*(one.break_often() for one in clients))
        writing.cancel()
        await script.settle()
        await asyncio.gather(*(one.read_the_rest() for one in clients))
    length = (await store.get("default", script.task_id)).last_seq
    assert [list(range(1, length + 1))] * CLIENTS == [one.ids for one in clients]
