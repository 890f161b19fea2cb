"""A run and its store: what is made storable, and what happens when the store is away or says no."""

from collections.abc import AsyncIterator, Sequence

import pytest
from execute_support import Bench, Handler, a_bench, endless

from ops_core.errors import StoreUnavailable
from ops_core.execute import Executor
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, release
from ops_core.ports import Ending, Lease, TaskLog
from ops_core.task import JsonObject, Reason, Status, Task, Wait
from ops_core.testing import FrozenClock

pytestmark = pytest.mark.unit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


async def test_an_outcome_that_the_store_refuses_is_settled_once(bench: Bench) -> None:
    """A settlement that can never be stored fails its task instead of running it again and again."""
    plain, together = bench.store.settle, bench.store.end_together

    def check(move: Move) -> None:
        if move.to is Status.COMPLETED:
            raise ValueError("no column takes this")

    async def settle(lease: Lease, move: Move) -> Task:
        check(move)
        return await plain(lease, move)

    async def end_together(batch: Sequence[Ending]) -> list[bool]:
        for ending in batch:
            check(ending.move)
        return await together(batch)

    bench.store.settle = settle  # type: ignore[method-assign]
    bench.store.end_together = end_together  # type: ignore[method-assign]

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return {}

    task = await bench.run(body)
    assert task.error is not None
    assert (Status.FAILED, "internal") == (task.status, task.error.type)


async def test_an_unknown_append_gives_the_task_back(bench: Bench) -> None:
    """When it is not known whether a step was stored, the task starts again from its log."""

    class Ambiguous(Handler):
        async def run(self, task: Task, log: TaskLog) -> JsonObject:
            raise StoreUnavailable("the reply was lost")

    task = await bench.claim()
    executor = Executor(bench.store, bench.writer, {"x": Ambiguous(endless)})
    await executor.execute(executor.open(task))
    stored = await bench.store.get("default", task.task_id)
    assert (Status.PENDING, Reason.RECOVERED) == (stored.status, stored.reason)


async def test_a_settlement_waits_for_the_store(bench: Bench) -> None:
    """A store that is away when the work is done does not cost the result."""
    plain, failures = bench.store.end_together, 2

    async def end_together(batch: Sequence[Ending]) -> list[bool]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("away")
        return await plain(batch)

    bench.store.end_together = end_together  # type: ignore[method-assign]

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return {"ok": True}

    assert Status.COMPLETED == (await bench.run(body)).status


async def test_a_task_lost_while_settling_is_let_go(bench: Bench) -> None:
    """A zombie that comes to its end stops quietly: the other owner's word stands."""
    task = await bench.claim()
    lease = Lease("default", task.task_id, "w", task.epoch)

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        await bench.store.settle(lease, release("taken"))
        return {"by": "zombie"}

    executor = bench.executor(body)
    await executor.execute(executor.open(task))
    assert None is (await bench.store.get("default", task.task_id)).result


async def test_what_models_write_is_made_storable(bench: Bench) -> None:
    """NUL and lone surrogates in a result or an event do not fail a task that is done."""

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        await log.append(NewEvent(type=EventType.LLM_COMPLETED, data={"t": "\ud800"}))
        return {"output": "a\x00b", "n": float("nan")}

    task = await bench.run(body)
    assert {"output": "a\N{REPLACEMENT CHARACTER}b", "n": None} == task.result


async def test_what_a_task_waits_for_is_made_storable(bench: Bench) -> None:
    """A question with a NUL in it is asked, and does not fail its task."""

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        log.suspend(Wait(reason=Reason.INPUT, step="1", detail={"question": "a\x00b"}))

    task = await bench.run(body)
    assert Status.WAITING is task.status
    assert "a\N{REPLACEMENT CHARACTER}b" in str(task.waiting_for)


@pytest.mark.parametrize("result", [None, "text", 1, {"at": FrozenClock()()}, {"s": {1}}])
async def test_a_result_that_is_not_json_fails_its_task(bench: Bench, result: object) -> None:
    """A handler is other people's code: what it returns is looked at before it is stored."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return result  # type: ignore[return-value]

    task = await bench.run(body)
    assert task.error is not None
    assert "bad_result" == task.error.type
