"""The hand that works: claims tasks and takes them to where clients find them.

What becomes of a task is in its id, so that every run of it is the same program: it asks people, leaves a
call in doubt, runs out of attempts, fails or completes. Whatever it says repeats what its client said: a leak
of it is a leak of the client's words.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from zlib import crc32

from ops_core.errors import TaskFailed
from ops_core.execute import Executor
from ops_core.journal import Journal, together
from ops_core.ports import TaskLog, WorkerStore
from ops_core.service import TaskService
from ops_core.step import Step
from ops_core.task import JsonObject, Task
from ops_core.writer import StepWriter

_SOURCES: Final = [{"source": "tool", "name": "fetch", "trusted": False}]


class Program:
    """`TaskHandler` of all tasks."""

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)
        words = str(task.input_data.get("goal", ""))[:500]
        said = await self._did(task, journal, words)
        return {"output": f"{words} {said}", "structured": {"words": words}, "artifacts": []}

    async def _did(self, task: Task, journal: Journal, words: str) -> object:
        match crc32(task.task_id.encode()) % 8:
            case 0 | 1:
                return await _asks(journal, words)
            case 2:
                return await journal.record(Step("1/tool/1", "tool", "send", words), _breaks)
            case 3:
                raise TaskFailed("provider_error", words, retryable=True)
            case 4:
                raise TaskFailed("refused", words)
            case _:
                return await journal.record(
                    Step("1/tool/1", "tool", "say", words, "pure"), lambda: _echo(words)
                )


async def _asks(journal: Journal, words: str) -> list[object]:
    request: JsonObject = {"question": words, "tool": "pay", "arguments": {"to": words}}
    return await together(
        journal.approve("1/tool/2/approval/1", request, about={"sources": _SOURCES}),
        journal.ask("1/tool/1/input/1", {"question": words}),
    )


async def _breaks() -> str:
    raise ConnectionError("the line went dead")


async def _echo(words: str) -> str:
    return words


class Hand:
    """A worker that takes what there is when it is told to."""

    def __init__(self, store: WorkerStore, tasks: TaskService, name: str) -> None:
        self._store = store
        self._tasks = tasks
        self._name = name
        self._writer = StepWriter(store)
        self._executor = Executor(store, self._writer, {"agent_run": Program()}, jitter=lambda: 0.0)
        self._turn = asyncio.Lock()

    async def work(self, count: int = 4) -> int:
        """Runs at most so many tasks as far as they come; how many there were."""
        async with self._turn, self._writing():
            await self._store.beat(self._name, ["default"], slots=count, running=0)
            tasks = await self._store.claim(self._name, ["default"], count)
            runs = [self._executor.execute(self._executor.open(task)) for task in tasks]
            await asyncio.gather(*runs)
            return len(tasks)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        writing = asyncio.create_task(self._writer.run())
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
