"""A task that a test writes, and clients that follow it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, complete
from ops_core.ports import Append, Lease
from ops_core.streams.hub import StreamSettings
from ops_core.streams.told import Told
from ops_core.streams.watch import Watch
from ops_core.task import NewTask, RetryPolicy, Task, Usage, new_task_id
from ops_core.testing import MemoryStore

#: For what must come: generous, for machines that do much else. Seconds.
WITHIN_S = 10.0

#: Quick looks: what is tested is what is told, not how soon.
QUICK = StreamSettings(poll_s=0.005, idle_s=0.01)

EVENTS = "/api/v1/tasks/{}/events"


class Script:
    """Plays a worker: one running task, whose log the test writes."""

    def __init__(self, store: MemoryStore, task: Task) -> None:
        self.store = store
        self.task = task
        self.task_id = task.task_id

    @property
    def _lease(self) -> Lease:
        return Lease(self.task.tenant_id, self.task_id, self.task.owner or "", self.task.epoch)

    async def write(self, count: int = 1) -> None:
        event = NewEvent(type=EventType.STEP_RECORDED, data={"text": "line\nline\r…"})
        for _ in range(count):
            await self.store.append([Append(self._lease, [event], Usage())])

    async def settle(self, move: Move | None = None) -> None:
        await self.store.settle(self._lease, move or complete({}))

    async def claim(self) -> None:
        await self.store.beat("w1", ["default"], slots=10, running=0)
        [self.task] = await self.store.claim("w1", ["default"], 1)


async def started(store: MemoryStore, **fields: Any) -> Script:
    """A task with two events: submitted, claimed."""
    new = NewTask(
        **{
            "task_id": new_task_id(),
            "tenant_id": "default",
            "task_type": "noop",
            "input_data": {},
            "retry_policy": RetryPolicy(),
            **fields,
        }
    )
    task, _ = await store.submit(new)
    script = Script(store, task)
    await script.claim()
    return script


async def seqs(watch: Watch, count: int) -> list[int]:
    """The numbers of the next events, at least so many."""
    found: list[int] = []
    async with asyncio.timeout(WITHIN_S):
        while len(found) < count:
            found += [one.event.seq for one in await watch.next(1.0) if isinstance(one, Told)]
    return found


async def rest_of(watch: Watch) -> list[int]:
    """The numbers of all events until the end."""
    found: list[int] = []
    async with asyncio.timeout(WITHIN_S):
        while not watch.over:
            found += [one.event.seq for one in await watch.next(1.0) if isinstance(one, Told)]
    return found


@asynccontextmanager
async def sse(
    client: httpx2.AsyncClient, task_id: str, *, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The frames of a stream: each its fields, and its comment under the empty name."""
    sent = {"Accept": "text/event-stream", **(headers or {})}
    path = EVENTS.format(task_id)
    async with client.stream("GET", path, headers=sent, params=query) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield frames(answer)


async def frames(answer: httpx2.Response) -> AsyncIterator[dict[str, str]]:
    frame: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            frame[name] = value.removeprefix(" ")
        else:
            yield frame
            frame = {}


def ids(found: list[dict[str, str]]) -> list[int]:
    return [int(frame["id"]) for frame in found if "id" in frame]


def data(frame: dict[str, str]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(frame["data"])
    return value
