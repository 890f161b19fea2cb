"""A task that asks for an approval and for an answer, run by a real executor until it waits."""

import asyncio
from typing import Final

from waiting_task import APPROVAL, QUESTION

from ops_core.ask import AskKind, ask_id
from ops_core.execute import Executor
from ops_core.journal import Journal, together
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, NewTask, Task
from ops_core.testing import MemoryStore
from ops_core.writer import StepWriter

ARGUMENTS: Final[JsonObject] = {"to": "ann", "eur": 5}
SOURCES: Final = [
    {"source": "user", "name": "", "trusted": True},
    {"source": "tool", "name": "fetch", "trusted": False},
]


class Asking:
    """`TaskHandler` whose result is what people said."""

    def __init__(self, tool: str, arguments: JsonObject, expires_in_s: float | None) -> None:
        self._request = {"question": "May it be called?", "tool": tool, "arguments": arguments}
        self._expires_in_s = expires_in_s

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)
        within_s, about = self._expires_in_s, {"sources": SOURCES}
        said, answer = await together(
            journal.approve(APPROVAL, self._request, about=about, expires_in_s=within_s),
            journal.ask(QUESTION, {"question": "Which one?"}, expires_in_s=within_s),
        )
        return {"said": said, "answer": answer}


async def run(
    store: MemoryStore,
    *,
    tool: str = "pay",
    arguments: JsonObject = ARGUMENTS,
    expires_in_s: float | None = None,
) -> Task:
    """Claims a task and runs it as far as it comes."""
    await store.beat("w", ["default"], slots=1, running=0)
    [task] = await store.claim("w", ["default"], 1)
    writer = StepWriter(store)
    writing = asyncio.create_task(writer.run())
    executor = Executor(store, writer, {"noop": Asking(tool, arguments, expires_in_s)})
    try:
        await executor.execute(executor.open(task))
    finally:
        writing.cancel()
    return await store.get("default", task.task_id)


async def asking(
    store: MemoryStore,
    task_id: str,
    *,
    tool: str = "pay",
    arguments: JsonObject = ARGUMENTS,
    expires_in_s: float | None = None,
) -> tuple[str, str]:
    """Stores a task that waits for both; the ids of its approval and of its question."""
    new = NewTask(task_id=task_id, tenant_id="default", task_type="noop", input_data={})
    await store.submit(new)
    waits = await run(store, tool=tool, arguments=arguments, expires_in_s=expires_in_s)
    assert (task_id, "waiting") == (waits.task_id, waits.status)
    return (
        ask_id(AskKind.APPROVAL, task_id, APPROVAL, 1),
        ask_id(AskKind.INPUT, task_id, QUESTION, 1),
    )
