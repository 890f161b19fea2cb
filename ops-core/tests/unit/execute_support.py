"""One worker's store, writer and clock, as tests of how a run ends need them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ops_core.execute import Executor
from ops_core.log import EventType, NewEvent
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, NewTask, RetryPolicy, Status, Task, new_task_id
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter

STEP = NewEvent(type=EventType.LLM_COMPLETED, data={"text": "hi"})
INTENT = NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": "1/tool/1"})
EFFECT = NewEvent(type=EventType.TOOL_COMPLETED, journal={"path": "1/tool/1"})
Body = Callable[[Task, TaskLog], Awaitable[JsonObject]]


class Handler:
    """A handler whose body is a function of the test."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        return await self._body(task, log)


class Bench:
    """One worker's store, writer and clock."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.writer = StepWriter(self.store)

    async def claim(self, **fields: object) -> Task:
        await self.store.beat("w", ["default"], slots=1, running=0)
        policy = fields.pop("retry_policy", RetryPolicy(max_attempts=2, backoff_s=10))
        new = NewTask(
            task_id=new_task_id(),
            tenant_id="default",
            task_type="x",
            input_data={},
            retry_policy=policy,  # type: ignore[arg-type]
            **fields,  # type: ignore[arg-type]
        )
        await self.store.submit(new)
        return await self.claim_again()

    async def claim_again(self) -> Task:
        [task] = await self.store.claim("w", ["default"], 1)
        return task

    async def status(self, task: Task) -> Status:
        return (await self.store.get("default", task.task_id)).status

    def executor(self, body: Body) -> Executor:
        return Executor(self.store, self.writer, {"x": Handler(body)}, jitter=lambda: 0.0)

    async def run(self, body: Body, **fields: object) -> Task:
        task = await self.claim(**fields)
        executor = self.executor(body)
        await executor.execute(executor.open(task))
        return await self.store.get("default", task.task_id)


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    """With its writer at work."""
    bench = Bench()
    writing = asyncio.create_task(bench.writer.run())
    yield bench
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def endless(_task: Task, _log: TaskLog) -> JsonObject:
    """A handler that has to be stopped."""
    await asyncio.Event().wait()
    return {}
