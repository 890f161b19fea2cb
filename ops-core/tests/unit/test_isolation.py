"""Suspects get a process of their own: who starts it, when it is tried again, when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from ops_core.errors import CannotIsolate
from ops_core.ports import ORDINARY, Orders, Profile, TaskLog
from ops_core.queue.alone import run_alone
from ops_core.queue.bell import DramatiqBell
from ops_core.queue.broker import in_process_broker
from ops_core.queue.isolation import Isolate, Isolation
from ops_core.queue.worker import Worker
from ops_core.task import JsonObject, NewTask, Status, Task, new_task_id
from ops_core.testing import MemoryStore

pytestmark = pytest.mark.unit

WITHIN_S = 10.0


class Solitary:
    """Plays the process: each start is noted, and ends when the test says so."""

    def __init__(self, *failures: Exception) -> None:
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self.end = asyncio.Event()
        self._failures = list(failures)
        self._starts = 0

    async def isolate(self) -> None:
        self._starts += 1
        self.started.put_nowait(self._starts)
        if self._failures:
            raise self._failures.pop(0)
        await self.end.wait()
        self.end.clear()


@asynccontextmanager
async def running(isolate: Isolate) -> AsyncIterator[Isolation]:
    wanted = Isolation(isolate)
    task = asyncio.create_task(wanted.run())
    async with asyncio.timeout(WITHIN_S):
        yield wanted
    task.cancel()


async def test_one_process_runs_at_a_time_however_often_it_is_wanted() -> None:
    """Every heartbeat asks for it; the next one starts when this has ended and suspects still wait."""
    solitary = Solitary()
    async with running(solitary.isolate) as wanted:
        wanted.want()
        assert 1 == await solitary.started.get()
        wanted.want()
        solitary.end.set()
        while solitary.end.is_set():
            await asyncio.sleep(0)
        assert solitary.started.empty()
        wanted.want()
        assert 2 == await solitary.started.get()


async def test_a_process_that_cannot_start_is_tried_again_after_longer_and_longer_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No memory for another process now is no reason to give up, nor to ask twenty times a second."""
    rests: list[float] = []
    sleep = asyncio.sleep

    async def rest(delay_s: float) -> None:
        rests.append(delay_s)
        await sleep(0)

    async def beat() -> None:
        while True:
            wanted.want()
            await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", rest)
    solitary = Solitary(*[CannotIsolate("no memory")] * 8)
    async with running(solitary.isolate) as wanted:
        beating = asyncio.create_task(beat())
        while await solitary.started.get() < 9:
            continue
        beating.cancel()
    assert [1, 2, 4, 8, 16, 32, 60, 60] == rests


class Suspects(MemoryStore):
    """A store in which suspects wait."""

    async def beat(
        self,
        worker_id: str,
        queues: object,
        *,
        slots: int,
        running: int,
        profile: Profile = ORDINARY,
    ) -> Orders:
        orders = await super().beat(
            worker_id, ["default"], slots=slots, running=running, profile=profile
        )
        return Orders(cancelled=orders.cancelled, owned=orders.owned, suspects=True)


class Echo:
    """Ends at once, or when the test lets it."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.open = asyncio.Event()

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        self.started.set()
        await self.open.wait()
        return {"by": task.owner}


def worker(store: MemoryStore, handler: Echo, *, alone: bool, isolate: Isolate | None) -> Worker:
    broker = in_process_broker()
    return Worker(
        store,
        broker,
        DramatiqBell(broker),
        {"x": handler},
        slots=1,
        heartbeat_s=0.02,
        profile=Profile(alone=alone),
        isolate=isolate,
    )


async def test_a_worker_that_hears_of_suspects_starts_the_process_and_leaves_it_when_it_drains() -> (
    None
):
    """It hears in its heartbeat; its own end does not wait for the process, nor end it."""
    solitary, stop = Solitary(), asyncio.Event()
    async with asyncio.timeout(WITHIN_S):
        living = asyncio.create_task(
            worker(Suspects(), Echo(), alone=False, isolate=solitary.isolate).run(stop)
        )
        assert 1 == await solitary.started.get()
        stop.set()
        await living
    assert solitary.started.empty()


async def _suspect(store: MemoryStore) -> str:
    task_id = new_task_id()
    await store.submit(NewTask(task_id=task_id, tenant_id="default", task_type="x", input_data={}))
    [row] = store._rows.values()
    row.task = replace(row.task, deaths=2)
    return task_id


async def test_a_solitary_worker_runs_suspects_without_a_ring_and_ends_when_none_are_left() -> None:
    """Nobody rings for it, nobody stops it."""
    store, echo = MemoryStore(), Echo()
    echo.open.set()
    task_id = await _suspect(store)
    async with asyncio.timeout(WITHIN_S):
        alone = worker(store, echo, alone=True, isolate=None)
        await run_alone(alone, asyncio.Event(), linger_s=0.2)
    assert Status.COMPLETED == (await store.get("default", task_id)).status
    assert {} == store._workers


async def test_a_solitary_worker_drains_like_any_other_one() -> None:
    """SIGTERM hands its suspect over; that is no death."""
    store, echo, stop = MemoryStore(), Echo(), asyncio.Event()
    task_id = await _suspect(store)
    async with asyncio.timeout(WITHIN_S):
        alone = worker(store, echo, alone=True, isolate=None)
        alone._drain_grace_s = 0.0
        living = asyncio.create_task(run_alone(alone, stop, linger_s=60.0))
        await echo.started.wait()
        stop.set()
        await living
    task = await store.get("default", task_id)
    assert (Status.PENDING, 2) == (task.status, task.deaths)


async def test_a_solitary_worker_whose_store_is_gone_ends() -> None:
    """Its task stays behind; nobody else may be left to end the process."""
    store, echo = MemoryStore(), Echo()
    await _suspect(store)
    async with asyncio.timeout(WITHIN_S):
        alone = worker(store, echo, alone=True, isolate=None)
        alone._drain_grace_s = 0.0
        alone._heartbeat_s = 3600.0  # as if every heartbeat failed
        await run_alone(alone, asyncio.Event(), linger_s=60.0, away_s=0.3)
    assert echo.started.is_set()
