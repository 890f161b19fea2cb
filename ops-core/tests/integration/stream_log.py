"""One running task on PostgreSQL that a test writes, and streams of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from ops_core.errors import StoreUnavailable
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, Lease, TaskType
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.store import Database, SqlNews, SqlTaskStore, TellingWorkerStore
from ops_core.streams.hub import StreamSettings
from ops_core.streams.service import EventStreams
from ops_core.streams.signals import NoSignals, Signals
from ops_core.streams.told import Told
from ops_core.streams.watch import Watch
from ops_core.task import Usage

WITHIN_S = 40.0

TYPES = {"noop": TaskType(name="noop", input_schema={})}


@dataclass
class StreamLog:
    """A task with two events: submitted, claimed. The worker and the door have connections of their own."""

    task_id: str
    lease: Lease
    workers: TellingWorkerStore
    streams: EventStreams

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        signals: Signals | None = None,
        *,
        to: Signals | None = None,
        rest_s: float = 0.02,
    ) -> AsyncIterator[Self]:
        """`signals` are the worker's, and the door's unless it has its own (`to`)."""
        ours = signals or NoSignals()
        at_work, at_door = Database(url, pool_size=1), Database(url, pool_size=3)
        workers = TellingWorkerStore(at_work, ours.changed, None)
        tasks = TaskService(SqlTaskStore(at_door), TYPES, lambda _queue, _task_id: None)
        settings = StreamSettings(poll_s=rest_s, idle_s=rest_s)
        streams = EventStreams(tasks, SqlNews(at_door), to or ours, settings=settings)
        request = parse_request({"task_type": "noop"})
        task = (await tasks.submit(request, tenant_id="default")).task
        await workers.beat("w", ["default"], slots=1, running=0)
        [claimed] = await workers.claim("w", ["default"], 1)
        lease = Lease("default", task.task_id, "w", claimed.epoch)
        try:
            yield cls(task.task_id, lease, workers, streams)
        finally:
            streams.close()
            await at_work.close()
            await at_door.close()

    async def watch(self, *, after: int, deltas: bool = False) -> Watch:
        return await self.streams.watch(
            self.task_id, tenant_id="default", after=after, deltas=deltas
        )

    async def write(self, count: int) -> None:
        """So many events, each in a commit of its own; a store that is away is asked again."""
        for _ in range(count):
            step = Append(self.lease, [NewEvent(type=EventType.STEP_RECORDED)], Usage())
            while True:
                try:
                    await self.workers.append([step])
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.01)

    async def end(self) -> None:
        await self.workers.settle(self.lease, complete({}))


async def seqs(watch: Watch, count: int) -> list[int]:
    """The numbers of the next events, at least so many."""
    found: list[int] = []
    while len(found) < count:
        found += [one.event.seq for one in await watch.next(1.0) if isinstance(one, Told)]
    return found


async def rest_of(watch: Watch) -> list[int]:
    """The numbers of all events until the end."""
    found: list[int] = []
    while not watch.over:
        found += [one.event.seq for one in await watch.next(1.0) if isinstance(one, Told)]
    return found
