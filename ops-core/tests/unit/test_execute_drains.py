"""A run that is drained: it stops between two steps, and never between an intent and its end."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from execute_support import EFFECT, INTENT, STEP, Bench, a_bench

from ops_core.log import EventType
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, Task

pytestmark = pytest.mark.unit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


async def test_a_draining_run_stops_after_its_step_is_stored(bench: Bench) -> None:
    """A hand-over happens at a step's end: the paid step is in the log, the next one is not begun."""

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        run.stop_at_step()
        await log.append(STEP)
        await log.append(STEP)
        return {}

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    await executor.execute(run)
    log = await bench.store.history(run.lease)
    assert [EventType.LLM_COMPLETED, EventType.TASK_RELEASED] == [e.type for e in log[-2:]]
    assert 4 == len(log)


async def test_an_intent_is_not_written_by_a_draining_run(bench: Bench) -> None:
    """A hand-over between an intent and its effect would leave a question; it happens before the intent."""

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        await log.append(INTENT)
        run.stop_at_step()
        await log.append(EFFECT)
        return {}

    async def second(_task: Task, log: TaskLog) -> JsonObject:
        run.stop_at_step()
        await log.append(INTENT)
        return {}

    for handler, last in ((body, EventType.TOOL_COMPLETED), (second, EventType.TASK_CLAIMED)):
        task = await bench.claim()
        executor = bench.executor(handler)
        run = executor.open(task)
        await executor.execute(run)
        log = await bench.store.history(run.lease)
        assert [last, EventType.TASK_RELEASED] == [event.type for event in log[-2:]]


async def test_a_drain_waits_for_the_effects_of_parallel_branches(bench: Bench) -> None:
    """A branch that has come to its step's end does not tear down the effect of its neighbour."""
    acting, act = asyncio.Event(), asyncio.Event()

    async def slow(log: TaskLog) -> None:
        await log.append(INTENT)
        acting.set()
        await act.wait()
        await log.append(EFFECT)

    async def quick(log: TaskLog) -> None:
        await acting.wait()
        run.stop_at_step()
        asyncio.get_running_loop().call_soon(act.set)
        await log.append(STEP)

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        await asyncio.gather(slow(log), quick(log))
        return {}

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    await executor.execute(run)
    types = [event.type for event in await bench.store.history(run.lease)]
    assert EventType.TOOL_COMPLETED in types
    assert EventType.TASK_RELEASED == types[-1]
