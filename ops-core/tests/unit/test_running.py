"""What a worker runs: a handler that holds on to its asyncio task, and a worker that is torn down."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from execute_support import Bench, a_bench, endless

from ops_core.ports import TaskLog
from ops_core.queue.running import Running
from ops_core.run import Run, Stop
from ops_core.task import JsonObject, Reason, Status, Task

pytestmark = pytest.mark.unit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


class Holding:
    """A handler that keeps its cancellation to itself until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = asyncio.Event(), asyncio.Event()

    async def run(self, _task: Task, _log: TaskLog) -> JsonObject:
        self.entered.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        return {"too": "late"}


async def test_a_handler_that_does_not_end_gives_its_slot_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task is settled as its stop says, its run is over, and what it brings at last changes nothing."""
    monkeypatch.setattr("ops_core.run.UNWIND_S", 0.01)
    handler, over, ended = Holding(), asyncio.Event(), list[Run]()

    def hear(run: Run) -> None:
        ended.append(run)
        over.set()

    running = Running(bench.store, bench.writer, {"x": handler}, hear)
    task = await bench.claim()
    running.start([task])
    try:
        async with asyncio.timeout(5):
            await handler.entered.wait()
            [held] = running.now()
            running.stop(Stop.CANCELLED)
            await over.wait()
            assert (0, Status.CANCELLED) == (len(running), await bench.status(task))
    finally:
        handler.let_go.set()
    await held
    assert ([task], Status.CANCELLED) == (
        [run.task for run in ended],
        await bench.status(task),
    )


async def test_tasks_of_a_worker_that_is_torn_down_are_not_settled(bench: Bench) -> None:
    """What the end of a process does to its handlers says nothing about their tasks."""
    task = await bench.claim()
    executor = bench.executor(endless)
    executing = asyncio.create_task(executor.execute(executor.open(task)))
    await asyncio.sleep(0)
    executing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await executing
    assert Status.RUNNING == await bench.status(task)


async def test_a_stopped_run_can_wait_for_its_store(bench: Bench) -> None:
    """The cancellation that stopped its handler is over: a wait with a limit of its own is not cut short."""
    task = await bench.claim()
    left: list[int] = []

    executor = bench.executor(endless)
    run = executor.open(task)

    async def execute() -> None:
        await executor.execute(run)
        current = asyncio.current_task()
        assert current is not None
        left.append(current.cancelling())

    executing = asyncio.create_task(execute())
    await asyncio.sleep(0)
    run.stop(Stop.DEADLINE)
    await executing
    stored = await bench.store.get("default", task.task_id)
    assert ([0], Reason.DEADLINE_EXCEEDED) == (left, stored.reason)
