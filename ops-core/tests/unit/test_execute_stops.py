"""A run that is stopped: by whom decides how its task is settled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from execute_support import STEP, Bench, a_bench, endless

from ops_core.errors import LostOwnership
from ops_core.log import EventType, NewEvent
from ops_core.moves import release
from ops_core.ports import TaskLog
from ops_core.run import Run, Stop
from ops_core.task import JsonObject, Reason, Status, Task, Usage

pytestmark = pytest.mark.unit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


@pytest.mark.parametrize(
    ("why", "status", "reason"),
    [
        (Stop.CANCELLED, Status.CANCELLED, None),
        (Stop.DRAINED, Status.PENDING, Reason.RECOVERED),
        (Stop.DEADLINE, Status.FAILED, Reason.DEADLINE_EXCEEDED),
        (Stop.LOST, Status.RUNNING, None),
    ],
)
async def test_why_a_run_was_stopped_decides_how_it_is_settled(
    bench: Bench, why: Stop, status: Status, reason: Reason | None
) -> None:
    """A cancelled, drained, late or lost run each ends in its own way."""
    task = await bench.claim()
    executor = bench.executor(endless)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await asyncio.sleep(0)
    run.stop(why)
    await executing
    stored = await bench.store.get("default", task.task_id)
    assert (status, reason) == (stored.status, stored.reason)


async def test_a_lost_run_is_lost_whatever_else_was_asked(bench: Bench) -> None:
    """After the epoch is gone nothing may be settled, even if a client also cancelled."""
    task = await bench.claim()
    executor = bench.executor(endless)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await asyncio.sleep(0)
    run.stop(Stop.CANCELLED)
    run.stop(Stop.LOST)
    await executing
    assert Status.RUNNING == (await bench.store.get("default", task.task_id)).status


async def test_a_run_stopped_before_it_began_does_not_begin(bench: Bench) -> None:
    """A cancellation that comes with the claim keeps the handler from starting."""
    began = False

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        nonlocal began
        began = True
        return {}

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    run.stop(Stop.CANCELLED)
    await executor.execute(run)
    assert (False, Status.CANCELLED) == (
        began,
        (await bench.store.get("default", task.task_id)).status,
    )


@pytest.mark.parametrize(
    ("why", "status"), [(Stop.CANCELLED, Status.CANCELLED), (Stop.DRAINED, Status.PENDING)]
)
async def test_what_a_stopped_handler_raises_does_not_matter(
    bench: Bench, why: Stop, status: Status
) -> None:
    """Why it was stopped decides, not how it went down."""
    entered = asyncio.Event()

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("cleaning up failed")

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await entered.wait()
    run.stop(why)
    await executing
    assert status == (await bench.store.get("default", task.task_id)).status


async def test_a_deadline_stops_a_running_handler(bench: Bench) -> None:
    """The owner itself keeps its task's deadline."""
    task = await bench.run(endless, deadline_s=0.02)
    assert Reason.DEADLINE_EXCEEDED == task.reason


async def test_a_stop_is_kept_by_a_handler_that_was_cancelled_before(bench: Bench) -> None:
    """Python 3.11 keeps count of a cancellation that a TaskGroup which fails at its end has taken back."""
    began = asyncio.Event()

    async def body(task: Task, log: TaskLog) -> JsonObject:
        with suppress(asyncio.CancelledError):
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            await asyncio.sleep(0)
        began.set()
        return await endless(task, log)

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await began.wait()
    run.stop(Stop.CANCELLED)
    await asyncio.gather(executing, return_exceptions=True)
    assert Status.CANCELLED == await bench.status(task)


async def test_a_handler_that_cancels_itself_fails_its_task(bench: Bench) -> None:
    """A cancellation that nobody asked for is a bug of the handler, and does not come back for ever."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise asyncio.CancelledError

    task = await bench.run(body)
    assert task.error is not None
    assert "internal" == task.error.type


async def test_no_effect_begins_after_a_cancel_that_the_worker_has_not_heard_of(
    bench: Bench,
) -> None:
    """The intent of an unsafe call is refused, the call is not made, and the task ends cancelled."""
    made = []

    async def body(task: Task, log: TaskLog) -> JsonObject:
        await bench.store.cancel("default", task.task_id)
        await log.append(NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": "1/tool/0"}))
        made.append(task.task_id)
        return {}

    async with asyncio.timeout(5):
        assert Status.CANCELLED == (await bench.run(body)).status
    assert [] == made


async def test_a_zombies_append_stops_its_handler(bench: Bench) -> None:
    """`LostOwnership` reaches the handler at its next append."""
    task = await bench.claim()
    run = Run(task, bench.store, bench.writer)
    await bench.store.settle(run.lease, release("taken"))
    with pytest.raises(LostOwnership):
        await run.append(STEP, usage=Usage())
