"""How a run ends: what its handler did or what stopped it decides the move."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ops_core.errors import LostOwnership, StoreUnavailable, TaskFailed
from ops_core.execute import LONGEST_REST_S, Executor, Run, Stop
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, release
from ops_core.ports import Lease, TaskLog
from ops_core.task import (
    JsonObject,
    NewTask,
    Reason,
    RetryPolicy,
    Status,
    Task,
    Usage,
    Wait,
    new_task_id,
)
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter

pytestmark = pytest.mark.unit

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

    def executor(self, body: Body) -> Executor:
        return Executor(self.store, self.writer, {"x": Handler(body)}, jitter=lambda: 0.0)

    async def run(self, body: Body, **fields: object) -> Task:
        task = await self.claim(**fields)
        executor = self.executor(body)
        await executor.execute(executor.open(task))
        return await self.store.get("default", task.task_id)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    writing = asyncio.create_task(bench.writer.run())
    yield bench
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def _endless(_task: Task, _log: TaskLog) -> JsonObject:
    await asyncio.Event().wait()
    return {}


async def test_a_handler_that_returns_completes_its_task(bench: Bench) -> None:
    """The handler's value is the task's result."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return {"output": "391"}

    task = await bench.run(body)
    assert (Status.COMPLETED, {"output": "391"}) == (task.status, task.result)


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


async def test_a_final_failure_fails_the_task(bench: Bench) -> None:
    """A failure that no attempt can mend ends the task at once, with its type and message."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("authentication_failed", "Check the key.")

    task = await bench.run(body)
    assert (Status.FAILED, 1) == (task.status, task.attempt)
    assert task.error is not None
    assert ("authentication_failed", "Check the key.", False) == (
        task.error.type,
        task.error.message,
        task.error.retryable,
    )


async def test_a_passing_failure_is_tried_again_until_its_attempts_are_used(bench: Bench) -> None:
    """Retryable means: rest, then the next attempt; the last one's failure is the task's."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("provider_unavailable", "Down.", retryable=True)

    task = await bench.run(body)
    assert (Status.PENDING, Reason.RETRYING, None) == (task.status, task.reason, task.error)
    bench.clock.advance(5)  # half of 10 s: the fixed part of the rest
    executor = bench.executor(body)
    await executor.execute(executor.open(await bench.claim_again()))
    task = await bench.store.get("default", task.task_id)
    assert (Status.FAILED, 2) == (task.status, task.attempt)


async def test_the_rest_is_never_shorter_than_the_provider_asked(bench: Bench) -> None:
    """Retry-After is honoured even when the policy would be quicker."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("rate_limited", "Slow down.", retryable=True, retry_after_s=60)

    await bench.run(body)
    bench.clock.advance(59)
    assert [] == await bench.store.claim("w", ["default"], 1)
    bench.clock.advance(1)
    assert 2 == (await bench.claim_again()).attempt


async def test_a_bug_in_a_handler_fails_its_task_without_details(bench: Bench) -> None:
    """An unexpected exception is `internal`, and its text stays in the worker's log."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise ValueError("password is hunter2")

    task = await bench.run(body)
    assert task.error is not None
    assert "internal" == task.error.type
    assert "ValueError" in task.error.message
    assert "hunter2" not in task.error.message


async def test_a_task_without_a_handler_fails_with_a_reason(bench: Bench) -> None:
    """A worker that does not know the type says so."""
    task = await bench.claim()
    executor = Executor(bench.store, bench.writer, {})
    await executor.execute(executor.open(task))
    failed = await bench.store.get("default", task.task_id)
    assert failed.error is not None
    assert "unknown_task_type" == failed.error.type


@pytest.mark.parametrize(
    ("why", "status", "reason"),
    [
        (Stop.CANCELLED, Status.CANCELLED, None),
        (Stop.DRAINED, Status.PENDING, Reason.RECOVERED),
        (Stop.DEADLINE, Status.FAILED, Reason.DEADLINE_EXCEEDED),
        (Stop.LOST, Status.RUNNING, None),
    ],
)
async def test_why_a_run_was_stopped_decides_how_it_is_settled(
    bench: Bench, why: Stop, status: Status, reason: Reason | None
) -> None:
    """A cancelled, drained, late or lost run each ends in its own way."""
    task = await bench.claim()
    executor = bench.executor(_endless)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await asyncio.sleep(0)
    run.stop(why)
    await executing
    stored = await bench.store.get("default", task.task_id)
    assert (status, reason) == (stored.status, stored.reason)


async def test_a_lost_run_is_lost_whatever_else_was_asked(bench: Bench) -> None:
    """After the epoch is gone nothing may be settled, even if a client also cancelled."""
    task = await bench.claim()
    executor = bench.executor(_endless)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await asyncio.sleep(0)
    run.stop(Stop.CANCELLED)
    run.stop(Stop.LOST)
    await executing
    assert Status.RUNNING == (await bench.store.get("default", task.task_id)).status


async def test_a_run_stopped_before_it_began_does_not_begin(bench: Bench) -> None:
    """A cancellation that comes with the claim keeps the handler from starting."""
    began = False

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        nonlocal began
        began = True
        return {}

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    run.stop(Stop.CANCELLED)
    await executor.execute(run)
    assert (False, Status.CANCELLED) == (
        began,
        (await bench.store.get("default", task.task_id)).status,
    )


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


@pytest.mark.parametrize("result", [None, "text", 1, {"at": FrozenClock()()}, {"s": {1}}])
async def test_a_result_that_is_not_json_fails_its_task(bench: Bench, result: object) -> None:
    """A handler is other people's code: what it returns is looked at before it is stored."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return result  # type: ignore[return-value]

    task = await bench.run(body)
    assert task.error is not None
    assert "bad_result" == task.error.type


async def test_a_handler_that_cancels_itself_fails_its_task(bench: Bench) -> None:
    """A cancellation that nobody asked for is a bug of the handler, and does not come back for ever."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise asyncio.CancelledError

    task = await bench.run(body)
    assert task.error is not None
    assert "internal" == task.error.type


@pytest.mark.parametrize(
    ("why", "status"), [(Stop.CANCELLED, Status.CANCELLED), (Stop.DRAINED, Status.PENDING)]
)
async def test_what_a_stopped_handler_raises_does_not_matter(
    bench: Bench, why: Stop, status: Status
) -> None:
    """Why it was stopped decides, not how it went down."""
    entered = asyncio.Event()

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        try:
            entered.set()
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("cleaning up failed")

    task = await bench.claim()
    executor = bench.executor(body)
    run = executor.open(task)
    executing = asyncio.create_task(executor.execute(run))
    await entered.wait()
    run.stop(why)
    await executing
    assert status == (await bench.store.get("default", task.task_id)).status


async def test_an_unknown_reason_is_an_error_like_any_other(bench: Bench) -> None:
    """A handler cannot put its task into a state that does not exist."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("x", "y", reason="queued")

    task = await bench.run(body)
    assert (Status.FAILED, Reason.ERROR) == (task.status, task.reason)


async def test_a_provider_cannot_park_a_task_for_years(bench: Bench) -> None:
    """Retry-After is honoured up to a day."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("rate_limited", "y", retryable=True, retry_after_s=1e12)

    await bench.run(body)
    bench.clock.advance(LONGEST_REST_S)
    assert 2 == (await bench.claim_again()).attempt


async def test_an_outcome_that_the_store_refuses_is_settled_once(bench: Bench) -> None:
    """A settlement that can never be stored fails its task instead of running it again and again."""
    plain = bench.store.settle

    async def settle(lease: Lease, move: Move) -> Task:
        if move.to is Status.COMPLETED:
            raise ValueError("no column takes this")
        return await plain(lease, move)

    bench.store.settle = settle  # type: ignore[method-assign]

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return {}

    task = await bench.run(body)
    assert task.error is not None
    assert (Status.FAILED, "internal") == (task.status, task.error.type)


async def test_a_deadline_stops_a_running_handler(bench: Bench) -> None:
    """The owner itself keeps its task's deadline."""
    task = await bench.run(_endless, deadline_s=0.02)
    assert Reason.DEADLINE_EXCEEDED == task.reason


async def test_a_handler_sees_what_earlier_owners_wrote(bench: Bench) -> None:
    """The log that a handler gets holds the whole history, journal included."""
    seen: list[str] = []

    async def body(_task: Task, log: TaskLog) -> JsonObject:
        seen.extend(event.type for event in log.history)
        return {}

    task = await bench.claim()
    await bench.store.settle(Lease("default", task.task_id, "w", task.epoch), release("drained"))
    executor = bench.executor(body)
    await executor.execute(executor.open(await bench.claim_again()))
    assert [
        EventType.TASK_SUBMITTED,
        EventType.TASK_CLAIMED,
        EventType.TASK_RELEASED,
        EventType.TASK_CLAIMED,
    ] == seen


async def test_an_unknown_append_gives_the_task_back(bench: Bench) -> None:
    """When it is not known whether a step was stored, the task starts again from its log."""

    class Ambiguous(Handler):
        async def run(self, task: Task, log: TaskLog) -> JsonObject:
            raise StoreUnavailable("the reply was lost")

    task = await bench.claim()
    executor = Executor(bench.store, bench.writer, {"x": Ambiguous(_endless)})
    await executor.execute(executor.open(task))
    stored = await bench.store.get("default", task.task_id)
    assert (Status.PENDING, Reason.RECOVERED) == (stored.status, stored.reason)


async def test_no_effect_begins_after_a_cancel_that_the_worker_has_not_heard_of(
    bench: Bench,
) -> None:
    """The intent of an unsafe call is refused, the call is not made, and the task ends cancelled."""
    made = []

    async def body(task: Task, log: TaskLog) -> JsonObject:
        await bench.store.cancel("default", task.task_id)
        await log.append(NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": "1/tool/0"}))
        made.append(task.task_id)
        return {}

    async with asyncio.timeout(5):
        assert Status.CANCELLED == (await bench.run(body)).status
    assert [] == made


async def test_a_settlement_waits_for_the_store(bench: Bench) -> None:
    """A store that is away when the work is done does not cost the result."""
    plain, failures = bench.store.settle, 2

    async def settle(lease: Lease, move: Move) -> Task:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("away")
        return await plain(lease, move)

    bench.store.settle = settle  # type: ignore[method-assign]

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


async def test_a_zombies_append_stops_its_handler(bench: Bench) -> None:
    """`LostOwnership` reaches the handler at its next append."""
    task = await bench.claim()
    run = Run(task, bench.store, bench.writer)
    await bench.store.settle(run.lease, release("taken"))
    with pytest.raises(LostOwnership):
        await run.append(STEP, usage=Usage())
