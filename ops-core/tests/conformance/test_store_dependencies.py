"""Tasks that depend on others: what every store promises a graph of tasks."""

import asyncio
from datetime import timedelta

import pytest
from store_world import World

from ops_core.errors import CallerError, InvalidRequest
from ops_core.log import EventType
from ops_core.moves import Move, complete, fail
from ops_core.ports import Lease
from ops_core.task import Reason, Status, Task, TaskError

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="No.")


async def after(world: World, *needed: Task, **fields: object) -> Task:
    ids = tuple(task.task_id for task in needed)
    return await world.submit(depends_on=ids, **fields)  # type: ignore[arg-type]


async def run(world: World, *tasks: Task, move: Move | None = None) -> None:
    """A worker claims exactly these tasks and settles them."""
    claimed = await world.claim("w", count=50)
    assert {task.task_id for task in tasks} == {task.task_id for task in claimed}
    for task in claimed:
        lease = Lease("default", task.task_id, "w", task.epoch)
        await world.workers.settle(lease, move or complete({}))


async def told(world: World) -> None:
    while await world.upkeep.tell_ends(10):
        pass


async def again(world: World, task: Task) -> Task:
    return await world.tasks.get("default", task.task_id)


async def test_a_task_runs_when_all_that_it_needs_has_completed(world: World) -> None:
    """Not before: neither claimed nor rung for; freed by the last of them, and rung for at once."""
    one, two = await world.submit(), await world.submit()
    last = await after(world, one, two)
    assert (Status.PENDING, Reason.DELAYED, 2) == (
        last.status,
        last.reason,
        last.dependencies_left,
    )
    await run(world, one, two)
    assert [] == await world.claim()
    assert 1 == await world.upkeep.tell_ends(1)
    assert (1, Reason.DELAYED) == ((f := await again(world, last)).dependencies_left, f.reason)
    assert [] == await world.claim()
    assert 1 == await world.upkeep.tell_ends(10)
    assert (0, Reason.QUEUED) == ((f := await again(world, last)).dependencies_left, f.reason)
    assert [1] == [rings.count for rings in await world.upkeep.take_rings(10)]
    await run(world, last)
    said = [
        e.data["left"]
        for e in await world.tasks.log("default", last.task_id)
        if e.type == EventType.DEPENDENCY_FINISHED
    ]
    assert [1, 0] == said


async def test_what_has_completed_already_is_not_waited_for(world: World) -> None:
    """A dependency that is done when it is named changes nothing."""
    done = await world.submit()
    await run(world, done)
    task = await after(world, done)
    assert (0, Reason.QUEUED) == (task.dependencies_left, task.reason)
    await run(world, task)


async def test_what_is_unknown_or_will_not_complete_is_refused(world: World) -> None:
    """Each wrong one is named by its place; nothing is stored."""
    good, bad, gone = [await world.submit() for _ in range(3)]
    await world.tasks.cancel("default", gone.task_id)
    await run(world, good, bad, move=fail(ERROR))
    fine = await world.submit()
    foreign = await world.submit(tenant_id="other")
    ids = (fine.task_id, bad.task_id, gone.task_id, "task_none", foreign.task_id)
    with pytest.raises(InvalidRequest) as refused:
        await world.submit(depends_on=ids)
    assert [
        ("depends_on.1", "is failed: retry it first"),
        ("depends_on.2", "is cancelled: retry it first"),
        ("depends_on.3", "there is no such task"),
        ("depends_on.4", "there is no such task"),
    ] == [(error.path, error.message) for error in refused.value.errors]


async def test_a_child_cannot_wait_for_the_end_of_its_parent(world: World) -> None:
    """That end would cancel it: it could never run."""
    parent = await world.submit()
    with pytest.raises(InvalidRequest, match=r"depends_on\.0: is its parent"):
        await after(world, parent, parent_task_id=parent.task_id)


@pytest.mark.parametrize("how", ["failed", "cancelled"])
async def test_a_task_fails_with_what_it_needs_and_so_on(world: World, how: str) -> None:
    """One that fails or is cancelled fails its dependents, and theirs, without having run."""
    first = await world.submit()
    second = await after(world, first)
    third = await after(world, second)
    beside = await after(world, await world.submit(queue="other"))
    if how == "failed":
        await run(world, first, move=fail(ERROR))
    else:
        await world.tasks.cancel("default", first.task_id)
    await told(world)
    for task, needed in ((second, first), (third, second)):
        failed = await again(world, task)
        assert failed.error is not None
        assert (Status.FAILED, Reason.REJECTED, "dependency_failed", None) == (
            failed.status,
            failed.reason,
            failed.error.type,
            failed.started_at,
        )
        assert needed.task_id in failed.error.message
    assert Status.PENDING == (await again(world, beside)).status


async def test_a_diamond_runs_in_its_order(world: World) -> None:
    """a, then b and c, then d."""
    a = await world.submit()
    b, c = await after(world, a), await after(world, a)
    d = await after(world, b, c)
    for layer in ([a], [b, c], [d]):
        await run(world, *layer)
        await told(world)
    assert Status.COMPLETED == (await again(world, d)).status


async def test_a_diamond_fails_once(world: World) -> None:
    """Both sides end badly: the last one fails once."""
    a = await world.submit()
    b, c = await after(world, a), await after(world, a)
    d = await after(world, b, c)
    await run(world, a, move=fail(ERROR))
    await told(world)
    types = [e.type for e in await world.tasks.log("default", d.task_id)]
    assert 1 == types.count(EventType.TASK_FAILED)


async def test_two_ends_at_the_same_time_free_a_task_once(world: World) -> None:
    """Several dispatchers tell at once, and the count comes out right."""
    needed = [await world.submit() for _ in range(6)]
    last = await after(world, *needed)
    await run(world, *needed)
    shares = await asyncio.gather(*(world.upkeep.tell_ends(10) for _ in range(4)))
    await told(world)
    assert 6 == sum(shares)
    assert (0, Reason.QUEUED) == ((f := await again(world, last)).dependencies_left, f.reason)
    said = [
        e.data["left"]
        for e in await world.tasks.log("default", last.task_id)
        if e.type == EventType.DEPENDENCY_FINISHED
    ]
    assert [5, 4, 3, 2, 1, 0] == said


async def test_a_task_is_delayed_beyond_what_it_needs(world: World) -> None:
    """`scheduled_at` holds as well: it runs when both have come."""
    first = await world.submit()
    at = first.created_at + timedelta(seconds=100)
    last = await after(world, first, scheduled_at=at)
    await run(world, first)
    await told(world)
    assert Reason.DELAYED == (await again(world, last)).reason
    assert [] == await world.claim()
    world.advance(101)
    await run(world, last)


async def test_a_time_that_has_passed_is_no_delay(world: World) -> None:
    """Freed after its `scheduled_at`, it runs at once, and not before it is freed."""
    first = await world.submit()
    at = first.created_at + timedelta(seconds=100)
    last = await after(world, first, scheduled_at=at)
    world.advance(200)
    await run(world, first)
    await told(world)
    assert Reason.QUEUED == (await again(world, last)).reason
    await run(world, last)


async def test_the_same_key_is_the_same_dependent(world: World) -> None:
    """Asked again after what it needs has failed, the first task is returned and not refused."""
    first = await world.submit()
    fields = {"idempotency_key": "k", "request_hash": "1"}
    last = await after(world, first, **fields)
    await run(world, first, move=fail(ERROR))
    assert last.task_id == (await after(world, first, **fields)).task_id


async def test_a_cancelled_dependent_is_left_alone(world: World) -> None:
    """It has ended; what it needed ends later without it."""
    first = await world.submit()
    last = await after(world, first)
    await world.tasks.cancel("default", last.task_id)
    await run(world, first)
    await told(world)
    assert Status.CANCELLED == (await again(world, last)).status


async def test_a_deadline_ends_a_task_that_still_waits_for_others(world: World) -> None:
    """It is pending and not due, and fails all the same."""
    first = await world.submit()
    last = await after(world, first, deadline_s=10.0)
    world.advance(11)
    assert 1 == await world.upkeep.expire(10)
    assert Reason.DEADLINE_EXCEEDED == (await again(world, last)).reason


async def test_retried_in_its_order_a_graph_runs_in_its_order(world: World) -> None:
    """What failed with its dependency is retried after it, and waits for it again."""
    first = await world.submit()
    last = await after(world, first)
    await run(world, first, move=fail(ERROR))
    await told(world)
    await world.tasks.retry("default", first.task_id)
    retried = await world.tasks.retry("default", last.task_id)
    assert (Status.PENDING, Reason.DELAYED, 1) == (
        retried.status,
        retried.reason,
        retried.dependencies_left,
    )
    await run(world, first)
    await told(world)
    await run(world, last)


async def test_a_dependent_that_is_retried_after_its_dependency_completed_runs(
    world: World,
) -> None:
    """The end that came while it was over counts."""
    first = await world.submit()
    last = await after(world, first)
    await run(world, first, move=fail(ERROR))
    await told(world)
    await world.tasks.retry("default", first.task_id)
    await run(world, first)
    await told(world)
    retried = await world.tasks.retry("default", last.task_id)
    assert (Reason.QUEUED, 0) == (retried.reason, retried.dependencies_left)
    await run(world, last)


async def test_a_dependent_is_not_retried_before_what_it_needs(world: World) -> None:
    """It could never run; the refusal says what to retry first."""
    first = await world.submit()
    last = await after(world, first)
    await run(world, first, move=fail(ERROR))
    await told(world)
    with pytest.raises(CallerError, match=first.task_id):
        await world.tasks.retry("default", last.task_id)
    assert Status.FAILED == (await again(world, last)).status


async def test_a_cancelled_dependent_that_is_retried_still_waits(world: World) -> None:
    """A retry is no way around a dependency."""
    first = await world.submit()
    last = await after(world, first)
    await world.tasks.cancel("default", last.task_id)
    await world.tasks.retry("default", last.task_id)
    await run(world, first)
    await told(world)
    await run(world, last)


async def test_an_end_that_is_told_twice_counts_once(world: World) -> None:
    """Two generations of a dependency ended before anybody told of either."""
    first, second = await world.submit(), await world.submit(queue="other")
    last = await after(world, first, second)
    await run(world, first, move=fail(ERROR))
    await world.tasks.retry("default", first.task_id)
    await run(world, first)
    await asyncio.gather(*(world.upkeep.tell_ends(10) for _ in range(4)))
    assert 1 == (await again(world, last)).dependencies_left
    assert [] == await world.claim()
