"""Threads against random orders of what clients, workers and upkeep do, on both stores side by side."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from results import FULL
from twin_stores import START, TTL_S, PostgresSide, Refused, Side, Twins, memory_side, postgres_side

from ops_core.errors import IllegalMove
from ops_core.moves import Move, cancel, complete, fail
from ops_core.ports import ORDINARY, Lease, Profile
from ops_core.task import NewTask, Status, Task, TaskError
from ops_core.testing import FrozenClock

pytestmark = pytest.mark.integration

THREADS: Final = ("t", "t", "t", "u", None)
POLICIES: Final = (None, None, "enqueue", "reject", "interrupt")
ENDS: Final = (complete({"output": "x"}), fail(TaskError(type="x", message="y")))
ACTS: Final = (
    "submit",
    "submit",
    "claim",
    "claim",
    "end",
    "end",
    "cancel",
    "retry",
    "tell_all",
    "tell_all",
    "bury",
)


class Story:
    """One random order of acts; after each, no thread has two tasks that run."""

    def __init__(self, twins: Twins, chance: random.Random) -> None:
        self.twins = twins
        self.chance = chance
        self.leases: list[Lease] = []
        self.count = 0

    async def tell(self, acts: int) -> None:
        for _ in range(acts):
            await getattr(self, self.chance.choice(ACTS))()
            running = Counter(
                (task.tenant_id, task.thread_id)
                for task in (await self.twins.seen()).tasks.values()
                if task.thread_id is not None and task.status is Status.RUNNING
            )
            assert max(running.values(), default=0) <= 1

    async def drain(self) -> None:
        """Whatever was done, every task comes to an end when workers and upkeep go on."""
        unfinished = ["not looked at yet"]
        for _ in range(4 * self.count):
            await self.tell_all()
            await self.claim()
            await self.claim("alone", Profile(alone=True))  # under which others had died
            while self.leases:
                await self.settle(self.leases.pop(), ENDS[0])
            self.twins.advance(1.0)
            tasks = (await self.twins.seen()).tasks.values()
            unfinished = [task.task_id for task in tasks if not task.is_terminal]
            if not unfinished:
                break
        assert [] == unfinished

    async def submit(self) -> None:
        self.count += 1
        thread = self.chance.choice(THREADS)
        new = NewTask(
            task_id=f"task_{self.count:03}",
            tenant_id="default",
            task_type="noop",
            input_data={},
            thread_id=thread,
            on_busy=self.chance.choice(POLICIES) if thread else None,
        )
        await self.twins.ask(lambda side: side.tasks.submit(new))

    async def claim(self, worker: str = "w", profile: Profile = ORDINARY) -> None:
        async def claim(side: Side) -> list[Task]:
            await side.workers.beat(worker, ["default"], slots=9, running=0, profile=profile)
            return await side.workers.claim(worker, ["default"], 3)

        for task in await self.twins.ask(claim):
            self.leases.append(Lease("default", task.task_id, worker, task.epoch))

    async def end(self) -> None:
        if self.leases:
            lease = self.leases.pop(self.chance.randrange(len(self.leases)))
            await self.settle(lease, self.chance.choice(ENDS))

    async def settle(self, lease: Lease, move: Move) -> None:
        """As a worker does, which is told of a cancel."""
        task = await self.twins.ask(lambda side: side.tasks.get("default", lease.task_id))
        move = cancel() if task.cancel_requested else move
        await self.twins.ask(lambda side: side.workers.settle(lease, move))

    async def cancel(self) -> None:
        await self.some(lambda side, task_id: side.tasks.cancel("default", task_id))

    async def retry(self) -> None:
        await self.some(lambda side, task_id: side.tasks.retry("default", task_id))

    async def some(self, act: Any) -> None:
        if self.count:
            task_id = f"task_{self.chance.randint(1, self.count):03}"
            answer = await self.twins.ask(lambda side: act(side, task_id))
            assert not (isinstance(answer, Refused) and answer.error is IllegalMove)

    async def tell_all(self) -> None:
        await self.twins.ask(lambda side: side.upkeep.tell_ends(100))

    async def bury(self) -> None:
        """The worker dies, and whatever it ran is given back."""
        self.twins.advance(TTL_S + 1)
        await self.twins.ask(lambda side: side.upkeep.bury_workers(100))
        self.leases.clear()


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[PostgresSide]:
    async with postgres_side(database_url) as side:
        yield side


@pytest.mark.parametrize("seed", range(20 if FULL else 3))
async def test_a_thread_runs_one_task_at_a_time_and_all_in_the_end(
    postgres: PostgresSide, seed: int
) -> None:
    """In any order, with deaths of workers, retries and interruptions; both stores agree at each step."""
    clock = FrozenClock(START)
    twins = Twins(clock, [memory_side(clock), await postgres.empty(clock)])
    story = Story(twins, random.Random(seed))
    await story.tell(60)
    await story.drain()
