"""A task's log that outlives the runs of its handler, as a test of the journal needs it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

from ops_core.answers import answer, resolution
from ops_core.children import Children
from ops_core.errors import TaskWaits
from ops_core.journal import Journal
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import ChildEnd, Decide, Exchange, Purse
from ops_core.task import NOTHING_USED, JsonObject, NewTask, Status, Task, Usage, Wait
from ops_core.testing import MemoryStore

T = TypeVar("T")


class Kept:
    """What is on disk of one task: its log, the ends of its children, the time."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.events: list[Event] = []
        self.ends: dict[str, ChildEnd] = {}
        self.started: dict[str, JsonObject] = {}
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)

    def add(self, event: NewEvent) -> None:
        self.events.append(
            Event(
                task_id="t",
                seq=len(self.events) + 1,
                at=self.clock,
                type=event.type,
                data=event.data,
                journal=event.journal,
            )
        )

    def bring(self, decide: Decide) -> None:
        """Somebody brings something from outside."""
        self.add(decide(self.task, self.events))

    def answer(self, path: str, value: object) -> None:
        self.bring(answer(path, value))

    def resolve(self, path: str, outcome: Any, result: object = None) -> None:
        self.bring(resolution(path, outcome, result))

    def end(self, child: str, status: Status = Status.COMPLETED) -> None:
        self.ends[child] = ChildEnd(
            task_id=child, status=status, result={"output": child}, error=None
        )

    def types(self) -> list[str]:
        return [str(event.type) for event in self.events]

    def data(self, kind: EventType) -> list[JsonObject]:
        return [event.data for event in self.events if event.type == kind]


class OneRun:
    """`TaskLog` of one run."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.history: Sequence[Event] = tuple(kept.events)
        self.waits: list[Wait] = []
        self.purse: Purse | None = None

    async def append(self, *events: NewEvent, usage: Usage = NOTHING_USED) -> None:
        await asyncio.sleep(0)
        for event in events:
            self.kept.add(event)

    async def read(self) -> Sequence[Event]:
        return tuple(self.kept.events)

    async def children(self, task_ids: Sequence[str]) -> list[ChildEnd]:
        return [self.kept.ends[child] for child in task_ids if child in self.kept.ends]

    async def definitions(
        self, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        return {}

    async def earlier(self, limit: int) -> list[Exchange]:
        return []

    def now(self) -> datetime:
        return self.kept.clock

    def suspend(self, wait: Wait) -> NoReturn:
        self.waits.append(wait)
        raise TaskWaits


class Program:
    """A handler's program, which a test runs as often as it likes."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    async def run(self, body: Callable[[Journal, Children], Awaitable[T]]) -> T:
        """One run, from the log as it is. Raises `TaskWaits` when it waits."""
        self.log = OneRun(self.kept)
        kept = self.kept

        async def start(request: JsonObject, key: str) -> str:
            kept.started.setdefault(key, request)
            return f"child{1 + list(kept.started).index(key)}"

        journal = Journal(kept.task, self.log, chance=lambda: 0.25)
        return await body(journal, Children(kept.task, self.log, start))

    async def waits(self, body: Callable[[Journal, Children], Awaitable[object]]) -> list[Wait]:
        """What one run waits for; fails when it does not."""
        try:
            await self.run(body)
        except TaskWaits:
            return self.log.waits
        raise AssertionError("it did not wait")

    def later(self, seconds: float) -> None:
        self.kept.clock += timedelta(seconds=seconds)


async def a_program() -> Program:
    new = NewTask(task_id="t", tenant_id="default", task_type="x", input_data={})
    task, _ = await MemoryStore().submit(new)
    return Program(Kept(task))
