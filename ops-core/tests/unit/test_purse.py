"""Runs that are paid from budgets: from the reservation before a call to the task that has no more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import Verdict, Wanted
from ops_core.errors import StoreUnavailable
from ops_core.execute import Executor
from ops_core.journal import Journal
from ops_core.log import EventType
from ops_core.ports import TaskLog
from ops_core.purse import IN_THE_WAY_REST_S, RunPurse
from ops_core.step import Step
from ops_core.task import JsonObject, NewTask, Status, Task, Usage, new_task_id
from ops_core.telling import PlainTelling
from ops_core.testing import FrozenClock, MemoryBudgetStore, MemoryStore
from ops_core.writer import StepWriter

Body = Callable[[Journal], Awaitable[object]]


class PricedTelling(PlainTelling):
    """Each step has used ten tokens."""

    def finished(
        self, step: Step, value: object, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage]:
        usage = Usage(input_tokens=4, output_tokens=6, cost_usd=Decimal("0.01"), steps=1)
        return EventType.LLM_COMPLETED, step.place, usage


class Handler:
    """Runs what a test says."""

    def __init__(self, body: Body) -> None:
        self.body = body

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        await self.body(Journal(task, log, telling=PricedTelling()))
        return {}


class Desk:
    """A store, and a worker that runs one task."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.budgets = MemoryBudgetStore(self.store)

    async def submit(self, budget: Allowance | None) -> str:
        new = NewTask(
            task_id=new_task_id(), tenant_id="default", task_type="x", input_data={}, budget=budget
        )
        return (await self.store.submit(new))[0].task_id

    async def run(self, body: Body) -> Task:
        async with self.writing() as writer:
            await self.store.beat("w", ["default"], slots=1, running=0)
            [task] = await self.store.claim("w", ["default"], 1)
            executor = Executor(self.store, writer, {"x": Handler(body)})
            await executor.execute(executor.open(task))
        return await self.store.get("default", task.task_id)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[StepWriter]:
        writer = StepWriter(self.store)
        running = asyncio.create_task(writer.run())
        yield writer
        running.cancel()

    async def types(self, task_id: str) -> list[str]:
        return [event.type for event in await self.store.log("default", task_id)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def call(journal: Journal, number: int = 1, tokens: int = 50) -> str:
    async def run() -> str:
        return "answer"

    step = Step(f"{number}/llm", "llm", "m", None, "pure")
    return await journal.record(step, run, may_use=Wanted(tokens=tokens))


async def test_a_call_is_paid_from_the_budget(desk: Desk) -> None:
    """What it really used is spent, nothing stays reserved, and the log tells of both."""
    task_id = await desk.submit(Allowance(tokens=100))
    assert Status.COMPLETED is (await desk.run(call)).status
    budget = await desk.budgets.get("default", task_id)
    assert budget is not None
    assert (10, 1, Amounts()) == (budget.spent.tokens, budget.spent.steps, budget.reserved)
    assert ["budget.reserved", "llm.completed", "budget.settled"] == (await desk.types(task_id))[
        2:5
    ]


async def test_a_task_without_a_budget_pays_nothing(desk: Desk) -> None:
    """Its log is what it was without budgets."""
    task_id = await desk.submit(None)
    await desk.run(call)
    assert ["llm.completed", "task.completed"] == (await desk.types(task_id))[2:]


async def test_an_exhausted_budget_fails_the_task(desk: Desk) -> None:
    """With the reason for it, not to be tried again, and what is lacking in its log."""
    task_id = await desk.submit(Allowance(tokens=55))

    async def body(journal: Journal) -> None:
        await call(journal, 1)
        await call(journal, 2)

    task = await desk.run(body)
    assert (Status.FAILED, "budget_exhausted") == (task.status, task.reason)
    assert task.error is not None
    assert ("budget_exhausted", False) == (task.error.type, task.error.retryable)
    told = (await desk.store.log("default", task_id))[-2]
    assert (EventType.BUDGET_EXHAUSTED, ["tokens"]) == (told.type, told.data["what"])
    assert ({"tokens": 55}, 10) == (told.data["allowed"], told.data["spent"]["tokens"])


async def test_a_replayed_step_reserves_nothing(desk: Desk) -> None:
    """With a raised budget, the next generation pays for what is not done yet only."""
    task_id = await desk.submit(Allowance(tokens=55))

    async def body(journal: Journal) -> None:
        await call(journal, 1)
        await call(journal, 2)

    await desk.run(body)
    await desk.budgets.put("default", task_id, Allowance(tokens=60))
    await desk.store.retry("default", task_id)
    assert Status.COMPLETED is (await desk.run(body)).status
    log = await desk.store.log("default", task_id)
    reserved = [e.data["path"] for e in log if e.type == EventType.BUDGET_RESERVED]
    assert ["1/llm", "2/llm"] == reserved


async def test_a_call_that_fails_gives_back_what_it_had(desk: Desk) -> None:
    """A branch that goes on without it has the whole budget."""
    task_id = await desk.submit(Allowance(tokens=60))

    async def fails() -> str:
        raise ValueError("away")

    async def body(journal: Journal) -> None:
        step = Step("1/llm", "llm", "m", None, "pure")
        with pytest.raises(ValueError, match="away"):
            await journal.record(step, fails, may_use=Wanted(tokens=60))
        await call(journal, 2, 60)

    assert Status.COMPLETED is (await desk.run(body)).status
    budget = await desk.budgets.get("default", task_id)
    assert budget is not None
    assert 10 == budget.spent.tokens


async def test_a_call_waits_for_what_others_have_reserved(desk: Desk) -> None:
    """Two branches whose calls do not fit side by side are made one after the other."""
    await desk.submit(Allowance(tokens=75))
    under_way = 0
    most = 0

    async def body(journal: Journal) -> None:
        async def branch(number: int) -> None:
            async def run() -> str:
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0)
                under_way -= 1
                return "answer"

            step = Step(f"{number}/llm", "llm", "m", None, "pure")
            await journal.record(step, run, may_use=Wanted(tokens=50))

        await asyncio.gather(branch(1), branch(2))

    assert Status.COMPLETED is (await desk.run(body)).status
    assert 1 == most
    assert IN_THE_WAY_REST_S[0] < 0.1  # what this test has waited for


class AwayOnce(MemoryStore):
    """Reserves, and loses the first answer."""

    asked = 0

    async def reserve(self, *asked: Any, **how: Any) -> Verdict:
        verdict = await super().reserve(*asked, **how)
        self.asked += 1
        if self.asked == 1:
            raise StoreUnavailable(
                "PostgreSQL cannot be used now: canceling statement due to lock timeout"
            )
        return verdict


async def test_a_store_that_is_away_when_a_call_reserves_is_waited_for(desk: Desk) -> None:
    """The task has done nothing wrong: its call is made when the store is back, and paid for once."""
    desk.store = store = AwayOnce(desk.clock)
    desk.budgets = MemoryBudgetStore(store)
    task_id = await desk.submit(Allowance(tokens=75))

    async def body(journal: Journal) -> None:
        await call(journal)

    assert Status.COMPLETED is (await desk.run(body)).status
    budget = await desk.budgets.get("default", task_id)
    assert budget is not None
    assert (2, 10, 0) == (store.asked, budget.spent.tokens, budget.reserved.tokens)


async def test_a_models_time_is_charged() -> None:
    """From the reservation to the record of the step."""
    seconds = iter([10.0, 12.5])
    desk = Desk()
    await desk.submit(Allowance(seconds=60.0))
    await desk.store.beat("w", ["default"], slots=1, running=0)
    [task] = await desk.store.claim("w", ["default"], 1)
    executor = Executor(desk.store, StepWriter(desk.store), {})
    lease = executor.open(task).lease

    async def say(_event: object) -> None: ...

    purse = RunPurse(desk.store, lease, task.budget_ids, say, clock=lambda: next(seconds))
    await purse.reserve("1/llm", Wanted(tokens=1))
    settled = purse.settlement("1/llm", Usage(steps=1))
    assert settled is not None
    assert 2.5 == settled.used.seconds
