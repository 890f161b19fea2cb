"""What every store promises the doors."""

import asyncio
from datetime import timedelta

import pytest
from store_world import World

from ops_core.errors import (
    IdempotencyConflict,
    InvalidRequest,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
)
from ops_core.log import EventType
from ops_core.moves import complete, fail
from ops_core.ports import TaskFilter
from ops_core.task import Reason, Status, TaskError

pytestmark = pytest.mark.conformance


async def test_a_submitted_task_is_pending_with_its_first_event(world: World) -> None:
    """A submit stores the task and event 1 together."""
    task = await world.submit(input_data={"goal": "grüße ☃"}, labels={"team": "a"})
    assert (await world.tasks.get("default", task.task_id)) == task
    assert (Status.PENDING, Reason.QUEUED, 0) == (task.status, task.reason, task.attempt)
    [event] = await world.tasks.events("default", task.task_id, after=0, limit=10)
    assert (1, EventType.TASK_SUBMITTED) == (event.seq, event.type)
    assert {"goal": "grüße ☃"} == event.data["input_data"]


async def test_the_same_key_and_body_is_the_same_task(world: World) -> None:
    """A repeated submit with its idempotency key returns the first task and stores nothing."""
    first = await world.submit(idempotency_key="k", request_hash="h")
    again = await world.submit(idempotency_key="k", request_hash="h")
    assert first.task_id == again.task_id
    assert 1 == (await world.tasks.page("default", TaskFilter(), limit=10, cursor=None)).total


async def test_concurrent_submits_with_one_key_are_one_task(world: World) -> None:
    """Twenty submits at once with one key agree on one task."""
    tasks = await asyncio.gather(
        *(world.submit(idempotency_key="k", request_hash="h") for _ in range(20))
    )
    assert 1 == len({task.task_id for task in tasks})


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    """An idempotency key cannot stand for two requests."""
    await world.submit(idempotency_key="k", request_hash="h")
    with pytest.raises(IdempotencyConflict, match="'k'"):
        await world.submit(idempotency_key="k", request_hash="other")


async def test_two_tenants_may_use_the_same_key(world: World) -> None:
    """An idempotency key belongs to its tenant."""
    first = await world.submit(idempotency_key="k", request_hash="h")
    other = await world.submit(idempotency_key="k", request_hash="h", tenant_id="other")
    assert first.task_id != other.task_id


async def test_a_tenant_does_not_see_another_ones_task(world: World) -> None:
    """Another tenant's task does not exist, for reading, following and cancelling."""
    task = await world.submit(tenant_id="other")
    for call in (
        world.tasks.get("default", task.task_id),
        world.tasks.events("default", task.task_id, after=0, limit=1),
        world.tasks.cancel("default", task.task_id),
        world.tasks.retry("default", task.task_id),
    ):
        with pytest.raises(TaskNotFound):
            await call
    page = await world.tasks.page("default", TaskFilter(), limit=10, cursor=None)
    assert ([], 0) == (page.tasks, page.total)


async def test_pages_are_newest_first_and_stable_under_inserts(world: World) -> None:
    """A task that is submitted while a client pages neither shifts nor repeats an entry."""
    ids = []
    for _ in range(5):
        ids.append((await world.submit()).task_id)
        world.advance(1)
    first = await world.tasks.page("default", TaskFilter(), limit=2, cursor=None)
    await world.submit()
    second = await world.tasks.page("default", TaskFilter(), limit=2, cursor=first.next_cursor)
    third = await world.tasks.page("default", TaskFilter(), limit=2, cursor=second.next_cursor)
    seen = [task.task_id for page in (first, second, third) for task in page.tasks]
    assert ids[::-1] == seen
    assert (5, 6, None) == (first.total, second.total, third.next_cursor)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (TaskFilter(status=Status.PENDING), {"a", "b"}),
        (TaskFilter(status=Status.COMPLETED), set()),
        (TaskFilter(task_type="x"), {"a"}),
        (TaskFilter(agent="writer"), {"b"}),
        (TaskFilter(thread_id="t1"), {"b"}),
        (TaskFilter(label=("team", "red")), {"a"}),
        (TaskFilter(label=("team", "blue")), set()),
        (TaskFilter(parent_task_id="task_1"), set()),
    ],
)
async def test_a_filter_keeps_what_matches(
    world: World, where: TaskFilter, expected: set[str]
) -> None:
    """Every filter of the contract narrows the page and its total."""
    await world.submit("x", name="a", labels={"team": "red"})
    await world.submit("y", name="b", agent="writer", thread_id="t1")
    page = await world.tasks.page("default", where, limit=10, cursor=None)
    assert expected == {task.name for task in page.tasks}
    assert len(expected) == page.total


async def test_created_after_leaves_out_the_moment_itself(world: World) -> None:
    """`created_after` is exclusive."""
    first = await world.submit()
    world.advance(1)
    second = await world.submit()
    where = TaskFilter(created_after=first.created_at)
    page = await world.tasks.page("default", where, limit=10, cursor=None)
    assert [second.task_id] == [task.task_id for task in page.tasks]


async def test_tasks_are_listed_by_their_last_move_when_asked(world: World) -> None:
    """Page by page; `updated_since` is inclusive."""
    tasks = []
    for _ in range(3):
        tasks.append(await world.submit())
        world.advance(1)
    first, second, third = [task.task_id for task in tasks]
    moved = await world.tasks.cancel("default", first)
    where = TaskFilter(by_update=True)
    page = await world.tasks.page("default", where, limit=2, cursor=None)
    assert ([first, third], 3) == ([task.task_id for task in page.tasks], page.total)
    rest = await world.tasks.page("default", where, limit=2, cursor=page.next_cursor)
    assert ([second], None) == ([task.task_id for task in rest.tasks], rest.next_cursor)
    since = TaskFilter(updated_since=moved.updated_at)
    recent = await world.tasks.page("default", since, limit=2, cursor=None)
    assert ([first], 1) == ([task.task_id for task in recent.tasks], recent.total)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "bm9wZQ",
        "WyJ4IiwgMV0",
        "é",
        "WyIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIlx1MDAwMCJd",  # an id that is a NUL
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIngiXQ==",  # a time before all times
    ],
)
async def test_a_cursor_of_somebody_else_is_refused(world: World, cursor: str) -> None:
    """A cursor that the store did not give out is the client's mistake, not an empty page."""
    await world.submit()
    with pytest.raises(InvalidRequest) as refused:
        await world.tasks.page("default", TaskFilter(), limit=1, cursor=cursor)
    assert ["cursor"] == [error.path for error in refused.value.errors]


async def test_events_come_in_order_after_a_seq(world: World) -> None:
    """A page of events starts after `after` and has no gap."""
    task, _ = await _completed(world)
    events = await world.tasks.events("default", task, after=1, limit=10)
    assert [2, 3] == [event.seq for event in events]
    assert [] == await world.tasks.events("default", task, after=3, limit=10)
    assert 1 == len(await world.tasks.events("default", task, after=0, limit=1))


async def test_cancelling_a_pending_task_ends_it(world: World) -> None:
    """A task that nobody runs is cancelled at once."""
    task = await world.submit()
    cancelled = await world.tasks.cancel("default", task.task_id)
    assert Status.CANCELLED == cancelled.status
    assert cancelled.completed_at is not None
    assert [] == await world.claim()


async def test_cancelling_a_running_task_asks_its_owner(world: World) -> None:
    """The owner of a running task learns of the cancellation with its heartbeat; asking twice is one ask."""
    task = await world.submit()
    _, lease = await world.claim_one()
    asked = await world.tasks.cancel("default", task.task_id)
    assert (Status.RUNNING, True) == (asked.status, asked.cancel_requested)
    assert asked == await world.tasks.cancel("default", task.task_id)
    orders = await world.workers.beat("w1", ["default"], slots=1, running=1)
    assert (frozenset({task.task_id}), frozenset({lease})) == (orders.cancelled, orders.owned)


async def test_a_completed_task_cannot_be_cancelled(world: World) -> None:
    """Cancel or complete, never both."""
    task_id, _ = await _completed(world)
    with pytest.raises(TaskFinished, match="completed"):
        await world.tasks.cancel("default", task_id)


async def test_cancelling_a_cancelled_task_changes_nothing(world: World) -> None:
    """A repeated cancel returns the task as it is, with one terminal event."""
    task = await world.submit()
    first = await world.tasks.cancel("default", task.task_id)
    assert first == await world.tasks.cancel("default", task.task_id)
    assert 2 == first.last_seq


async def test_a_retry_opens_the_next_generation(world: World) -> None:
    """A failed task is pending again: attempts anew, deadline anew, same log, claimable at once."""
    task = await world.submit(deadline_s=60.0)
    _, lease = await world.claim_one()
    await world.workers.settle(lease, fail(TaskError(type="x", message="y")))
    world.advance(100)
    again = await world.tasks.retry("default", task.task_id)
    assert (Status.PENDING, Reason.QUEUED, 2, 0, None, None) == (
        again.status,
        again.reason,
        again.generation,
        again.attempt,
        again.error,
        again.completed_at,
    )
    assert again.deadline_at is not None
    assert 60 == (again.deadline_at - again.updated_at).total_seconds()
    claimed, _ = await world.claim_one()
    assert (1, 2) == (claimed.attempt, claimed.epoch)
    log = await world.tasks.events("default", task.task_id, after=0, limit=10)
    assert [EventType.TASK_FAILED, EventType.TASK_RETRIED] == [e.type for e in log[2:4]]
    assert {"generation": 2} == log[3].data


async def test_every_retry_gives_the_deadline_that_was_asked_for(world: World) -> None:
    """The time until the deadline does not grow from one generation to the next."""
    task = await world.submit(deadline_s=60.0)
    for _ in range(3):
        world.advance(1000)
        await world.tasks.cancel("default", task.task_id)
        again = await world.tasks.retry("default", task.task_id)
        assert again.deadline_at is not None
        assert 60 == (again.deadline_at - again.updated_at).total_seconds()


async def test_a_cancelled_task_can_be_retried(world: World) -> None:
    """A client who cancelled may change its mind."""
    task = await world.submit()
    await world.tasks.cancel("default", task.task_id)
    assert 2 == (await world.tasks.retry("default", task.task_id)).generation


async def test_a_task_under_way_cannot_be_retried(world: World) -> None:
    """A retry never starts a second run beside the first."""
    task = await world.submit()
    with pytest.raises(TaskNotEnded, match="pending"):
        await world.tasks.retry("default", task.task_id)
    await world.claim_one()
    with pytest.raises(TaskNotEnded, match="running"):
        await world.tasks.retry("default", task.task_id)


async def test_a_completed_task_cannot_be_retried(world: World) -> None:
    """What succeeded is not done again."""
    task_id, _ = await _completed(world)
    with pytest.raises(TaskNotEnded, match="completed"):
        await world.tasks.retry("default", task_id)


async def test_concurrent_retries_open_one_generation(world: World) -> None:
    """Of many retries at once one wins; the others find the task under way."""
    task = await world.submit()
    await world.tasks.cancel("default", task.task_id)
    outcomes = await asyncio.gather(
        *(world.tasks.retry("default", task.task_id) for _ in range(5)), return_exceptions=True
    )
    assert 4 == sum(isinstance(outcome, TaskNotEnded) for outcome in outcomes)
    assert 2 == (await world.tasks.get("default", task.task_id)).generation


async def test_a_delayed_task_is_not_claimed_before_its_time(world: World) -> None:
    """`scheduled_at` holds a task back until then."""
    now = (await world.submit()).created_at
    await world.claim()
    delayed = await world.submit(scheduled_at=now + timedelta(seconds=60))
    assert Reason.DELAYED == delayed.reason
    assert [] == await world.claim()
    world.advance(61)
    assert [delayed.task_id] == [task.task_id for task in await world.claim()]


async def _completed(world: World) -> tuple[str, object]:
    task = await world.submit()
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({"ok": True}))
    return task.task_id, lease
