"""What one durable step costs a lone agent: round trips to PostgreSQL, and time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from sqlalchemy import make_url

from ops_core.execute import Executor
from ops_core.journal import Journal
from ops_core.ports import TaskLog
from ops_core.step import Step
from ops_core.store import Database, SqlTaskStore, SqlWorkerStore
from ops_core.task import JsonObject, NewTask, Task
from ops_core.writer import StepWriter


class Steps:
    """A handler of so many steps that do nothing; notes how long each took."""

    def __init__(self, count: int, effect: str) -> None:
        self._count = count
        self._effect = effect
        self.seconds: list[float] = []

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)
        for number in range(1, self._count + 1):
            step = Step(f"{number}/tool/1", "tool", "nothing", None, self._effect)  # type: ignore[arg-type]
            began = time.perf_counter()
            await journal.record(step, _nothing)
            self.seconds.append(time.perf_counter() - began)
        return {}


async def _nothing() -> str:
    return "done"


class CountingProxy:
    """Passes everything on to PostgreSQL; counts what the client sends, a burst for each round trip."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.bursts = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Gives the port to connect to."""
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with listening:
            yield listening.sockets[0].getsockname()[1]

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        server, ask = await asyncio.open_connection(*self._server)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass(client, ask, counted=True))
            both.create_task(self._pass(server, answer, counted=False))

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        while data := await source.read(1 << 16):
            self.bursts += counted
            to.write(data)
        to.close()


async def round_trips(url: str, steps: int, effect: str) -> float:
    """Round trips for each step, counted on the wire; what a run costs besides is taken off."""
    parts = make_url(url)
    proxy = CountingProxy(parts.host or "127.0.0.1", parts.port or 5432)
    async with proxy.running() as port:
        through = parts.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        counts = []
        for count in (1, 1, steps + 1):  # the first one also connects and prepares
            before = proxy.bursts
            await run(through, count, effect)
            counts.append(proxy.bursts - before)
    return (counts[2] - counts[1]) / steps


async def run(url: str, steps: int, effect: str) -> list[float]:
    """Seconds of each step of one task that runs alone."""
    database = Database(url)
    store, handler = SqlWorkerStore(database), Steps(steps, effect)
    writer = StepWriter(store)
    queue = uuid4().hex
    writing = asyncio.create_task(writer.run())
    try:
        new = NewTask(
            task_id=uuid4().hex, tenant_id="default", task_type="steps", input_data={}, queue=queue
        )
        await SqlTaskStore(database).submit(new)
        worker = f"bench-{queue}"
        await store.beat(worker, [queue], slots=1, running=0)
        [task] = await store.claim(worker, [queue], 1)
        executor = Executor(store, writer, {"steps": handler})
        await executor.execute(executor.open(task))
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.close()
    return handler.seconds
