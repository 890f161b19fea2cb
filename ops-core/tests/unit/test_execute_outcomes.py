"""How a run ends by itself: what its handler did decides the move."""

from collections.abc import AsyncIterator

import pytest
from execute_support import Bench, a_bench

from ops_core.errors import TaskFailed
from ops_core.execute import LONGEST_REST_S, Executor
from ops_core.log import EventType
from ops_core.moves import release
from ops_core.ports import Lease, TaskLog
from ops_core.task import JsonObject, Reason, Status, Task

pytestmark = pytest.mark.unit


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with a_bench() as bench:
        yield bench


pytestmark = pytest.mark.unit


async def test_a_handler_that_returns_completes_its_task(bench: Bench) -> None:
    """The handler's value is the task's result."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        return {"output": "391"}

    task = await bench.run(body)
    assert (Status.COMPLETED, {"output": "391"}) == (task.status, task.result)


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


async def test_a_part_of_a_result_is_kept_with_the_failure(bench: Bench) -> None:
    """Made storable as a whole one is."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("x", "y", partial={"output": "half\0"})

    task = await bench.run(body)
    assert (Status.FAILED, {"output": "half\N{REPLACEMENT CHARACTER}"}) == (
        task.status,
        task.result,
    )


async def test_a_part_that_cannot_be_stored_does_not_hide_why_the_task_failed(bench: Bench) -> None:
    """It is left out."""

    async def body(_task: Task, _log: TaskLog) -> JsonObject:
        raise TaskFailed("x", "y", partial={"output": 2**70})

    task = await bench.run(body)
    assert task.error is not None
    assert ("x", None) == (task.error.type, task.result)


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
