"""Handlers that wait, as the executor settles them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ops_core.answers import answer
from ops_core.errors import TaskFailed, TaskWaits
from ops_core.execute import Executor
from ops_core.journal import Journal, together
from ops_core.log import EventType
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, NewTask, Reason, RetryPolicy, Status, Task
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter

pytestmark = pytest.mark.unit

Body = Callable[[Task, TaskLog], Awaitable[JsonObject]]


class Bench:
    """One task, and workers that each live for one claim."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.writer = StepWriter(self.store)

    async def submit(self) -> None:
        new = NewTask(
            task_id="t",
            tenant_id="default",
            task_type="x",
            input_data={},
            retry_policy=RetryPolicy(max_attempts=2, backoff_s=0),
        )
        await self.store.submit(new)

    async def run(self, body: Body) -> Task:
        """Runs the task if it is due."""

        class Handler:
            async def run(self, task: Task, log: TaskLog) -> JsonObject:
                return await body(task, log)

        await self.store.beat("w", ["default"], slots=1, running=0)
        for task in await self.store.claim("w", ["default"], 1):
            executor = Executor(self.store, self.writer, {"x": Handler()}, jitter=lambda: 0.0)
            await executor.execute(executor.open(task))
        return await self.store.get("default", "t")

    def types(self) -> list[str]:
        [log] = self.store._log.values()
        return [str(event.type) for event in log]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    writing = asyncio.create_task(bench.writer.run())
    await bench.submit()
    yield bench
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_a_handler_that_waits_leaves_nothing_in_memory(bench: Bench) -> None:
    """Its coroutine has ended, cleaned up, when the task waits."""
    ended = []

    async def body(task: Task, log: TaskLog) -> JsonObject:
        try:
            return {"said": await Journal(task, log).ask("1", {"question": "Who?"})}
        finally:
            ended.append(True)

    waiting = await bench.run(body)
    assert (Status.WAITING, Reason.INPUT, [True]) == (waiting.status, waiting.reason, ended)
    await bench.store.signal("default", "t", answer(None, "Ada"))
    done = await bench.run(body)
    assert ({"said": "Ada"}, 1, 2) == (done.result, done.attempt, done.epoch)


async def test_an_answer_while_it_runs_is_found_when_it_would_wait(bench: Bench) -> None:
    """The task goes back to pending, and its next run has the answer."""

    async def body(task: Task, log: TaskLog) -> JsonObject:
        return {"said": await asyncio.shield(Journal(task, log).ask("1", {}))}

    async def answered_meanwhile(task: Task, log: TaskLog) -> JsonObject:
        try:
            return await body(task, log)
        finally:
            await bench.store.signal("default", "t", answer(None, "Ada"))

    released = await bench.run(answered_meanwhile)
    assert (Status.PENDING, Reason.RECOVERED) == (released.status, released.reason)
    assert {"said": "Ada"} == (await bench.run(body)).result


async def test_a_branch_under_way_is_finished_before_the_task_waits(bench: Bench) -> None:
    """What the neighbour of a waiting branch does is on disk, and not done again."""
    made: list[str] = []

    async def body(task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)

        async def slow() -> float:
            await asyncio.sleep(0.01)
            value = await journal.random("2")
            made.append("slow")
            return value

        said, _ = await together(journal.ask("1", {}), slow())
        return {"said": said}

    assert Status.WAITING == (await bench.run(body)).status
    assert ["slow"] == made
    kinds = bench.types()
    assert kinds.index(EventType.STEP_RECORDED) < kinds.index(EventType.TASK_WAITING)
    await bench.store.signal("default", "t", answer(None, 1))
    await bench.run(body)
    assert 1 == bench.types().count(EventType.STEP_RECORDED)


async def test_a_failure_goes_before_a_wait(bench: Bench) -> None:
    """The attempt has failed; the next one waits."""

    async def body(task: Task, log: TaskLog) -> JsonObject:
        async def fails() -> None:
            if task.attempt == 1:
                raise TaskFailed("x", "y", retryable=True)

        await together(Journal(task, log).ask("1", {}), fails())
        return {}

    assert Reason.RETRYING == (await bench.run(body)).reason
    assert Reason.INPUT == (await bench.run(body)).reason
    assert 1 == bench.types().count(EventType.INPUT_REQUESTED)


async def test_a_handler_that_waits_in_a_task_group_fails_its_task(bench: Bench) -> None:
    """A group tears the other branches down and hides the wait: a bug of the handler, told as one."""

    async def body(task: Task, log: TaskLog) -> JsonObject:
        async with asyncio.TaskGroup() as group:
            group.create_task(Journal(task, log).ask("1", {}))
        return {}

    failed = await bench.run(body)
    assert failed.error is not None
    assert ("internal", True) == (failed.error.type, "BaseExceptionGroup" in failed.error.message)


async def test_a_handler_that_waits_for_nothing_fails_its_task(bench: Bench) -> None:
    """Nothing could ever wake it."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskWaits

    failed = await bench.run(body)
    assert failed.error is not None
    assert "internal" == failed.error.type
