"""Children of a task: what every store promises parents, and what becomes of the children."""

from datetime import timedelta

import pytest
from store_world import World

from ops_core.answers import answer
from ops_core.errors import IdempotencyConflict, InvalidRequest
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, cancel, complete, fail, retry, wait
from ops_core.ports import Append, ChildEnd, Lease
from ops_core.task import Reason, Status, Task, TaskError, Usage, Wait

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="No.")


def for_children(needed: int) -> Wait:
    return Wait(reason=Reason.CHILD, step="1/wait", children_needed=needed)


async def parent_of(world: World, count: int, **fields: object) -> tuple[Task, Lease, list[Task]]:
    """A running parent and its children, which are due."""
    await world.submit(**fields)  # type: ignore[arg-type]
    parent, lease = await world.claim_one()
    ids = {"parent_task_id": parent.task_id}
    return parent, lease, [await world.submit(**ids) for _ in range(count)]


async def end(world: World, task: Task, move: Move | None = None) -> None:
    """Runs due tasks of a worker until it has this one, and settles it."""
    claimed = {each.task_id: each for each in await world.claim("w-end", count=50)}
    found = claimed.pop(task.task_id)
    lease = Lease("default", found.task_id, "w-end", found.epoch)
    await world.workers.settle(lease, move or complete({"output": found.task_id}))
    for other in claimed.values():  # back, unharmed
        lease = Lease("default", other.task_id, "w-end", other.epoch)
        await world.workers.settle(lease, retry(ERROR, 0))


async def status(world: World, task: Task) -> Status:
    return (await world.tasks.get("default", task.task_id)).status


async def test_a_child_names_its_parent(world: World) -> None:
    """It is found by its parent, and its first event says whose it is."""
    parent, _, [child] = await parent_of(world, 1)
    assert parent.task_id == child.parent_task_id
    first = (await world.tasks.log("default", child.task_id))[0]
    assert parent.task_id == first.data["parent_task_id"]


async def test_a_child_of_nobody_or_of_another_tenants_task_is_refused(world: World) -> None:
    """Nothing is stored, and the field is named; another tenant's task is nobody."""
    other = await world.submit(tenant_id="other")
    for parent in ("task_none", other.task_id):
        with pytest.raises(InvalidRequest, match="parent_task_id: there is no such task"):
            await world.submit(parent_task_id=parent, idempotency_key="k")
    # The key of a refused request is free.
    assert "k" != (await world.submit(idempotency_key="k")).task_id


async def test_a_task_that_has_ended_gets_no_child(world: World) -> None:
    """Nobody would wait for it, and nobody would cancel it."""
    parent, lease, _ = await parent_of(world, 0)
    await world.workers.settle(lease, complete({}))
    with pytest.raises(InvalidRequest, match="already completed"):
        await world.submit(parent_task_id=parent.task_id)


async def test_generations_and_children_are_bounded(world: World) -> None:
    """The ninth generation and the child beyond the limit are refused."""
    task = await world.submit()
    for _ in range(8):
        task = await world.submit(parent_task_id=task.task_id)
    with pytest.raises(InvalidRequest, match="deeper than 8"):
        await world.submit(parent_task_id=task.task_id)


async def test_the_same_key_is_the_same_child(world: World) -> None:
    """A parent that starts its child again after a crash gets the first one."""
    parent = await world.submit()
    first = await world.submit(parent_task_id=parent.task_id, idempotency_key="k", request_hash="1")
    again = await world.submit(parent_task_id=parent.task_id, idempotency_key="k", request_hash="1")
    assert first == again
    with pytest.raises(IdempotencyConflict):
        await world.submit(parent_task_id=parent.task_id, idempotency_key="k", request_hash="2")


async def test_a_deadline_flows_down(world: World) -> None:
    """A child ends no later than its parent, and earlier when it says so."""
    parent = await world.submit(deadline_s=100.0)
    world.advance(10)
    children = [
        await world.submit(parent_task_id=parent.task_id, deadline_s=s)
        for s in (None, 1000.0, 30.0)
    ]
    assert [parent.deadline_at] * 2 == [child.deadline_at for child in children[:2]]
    assert children[2].created_at + timedelta(seconds=30) == children[2].deadline_at


async def test_a_parent_wakes_when_enough_children_have_ended(world: World) -> None:
    """Two of three: the first end leaves it asleep, the second wakes it, however they ended."""
    parent, lease, children = await parent_of(world, 3)
    await world.workers.settle(lease, wait([for_children(2)], 0))
    await end(world, children[0])
    assert 1 == await world.upkeep.tell_ends(10)
    assert Status.WAITING == await status(world, parent)
    await end(world, children[1], fail(ERROR))
    assert 1 == await world.upkeep.tell_ends(10)
    assert 0 == await world.upkeep.tell_ends(10)
    woken = await world.tasks.get("default", parent.task_id)
    assert (Status.PENDING, 2) == (woken.status, woken.signals)
    last = (await world.tasks.log("default", parent.task_id))[-1]
    assert (EventType.TASK_WOKEN, {"why": "child"}) == (last.type, last.data)


async def test_a_parent_reads_what_its_children_came_to(world: World) -> None:
    """Those that have ended, with result or error; others and strangers are not told of."""
    _, lease, children = await parent_of(world, 3)
    stranger = await world.submit()
    for task, move in ((children[0], None), (children[1], fail(ERROR)), (stranger, None)):
        await end(world, task, move)
    asked = [*(child.task_id for child in children), stranger.task_id, "task_none"]
    ends = {each.task_id: each for each in await world.workers.children(lease, asked)}
    assert {
        children[0].task_id: ChildEnd(
            task_id=children[0].task_id,
            status=Status.COMPLETED,
            result={"output": children[0].task_id},
            error=None,
        ),
        children[1].task_id: ChildEnd(
            task_id=children[1].task_id, status=Status.FAILED, result=None, error=ERROR
        ),
    } == ends


async def test_a_child_that_ends_before_its_parent_waits_is_not_slept_through(
    world: World,
) -> None:
    """The end was told while the parent ran: it looks again instead of waiting."""
    parent, lease, [child] = await parent_of(world, 1)
    await end(world, child)
    await world.upkeep.tell_ends(10)
    settled = await world.workers.settle(lease, wait([for_children(1)], parent.signals))
    assert (Status.PENDING, Reason.RECOVERED) == (settled.status, settled.reason)


async def test_a_child_that_is_told_of_after_its_parent_slept_wakes_it(world: World) -> None:
    """The end was in the outbox while the parent settled: nothing is lost between the two."""
    parent, lease, [child] = await parent_of(world, 1)
    await end(world, child)
    await world.workers.settle(lease, wait([for_children(1)], parent.signals))
    await world.upkeep.tell_ends(10)
    assert Status.PENDING == await status(world, parent)


async def test_a_childs_end_does_not_wake_a_parent_that_waits_for_something_else(
    world: World,
) -> None:
    """A parent that has asked a person sleeps on; the child's end is counted for later."""
    parent, lease, [child] = await parent_of(world, 1)
    asked = NewEvent(type=EventType.INPUT_REQUESTED, journal={"v": 1, "path": "1/in"})
    await world.workers.append([Append(lease, [asked], Usage())])
    await world.workers.settle(lease, wait([Wait(reason=Reason.INPUT, step="1/in")], 0))
    await end(world, child)
    await world.upkeep.tell_ends(10)
    sleeping = await world.tasks.get("default", parent.task_id)
    assert (Status.WAITING, 1) == (sleeping.status, sleeping.signals)
    await world.tasks.signal("default", parent.task_id, answer(None, "Ada"))
    assert Status.PENDING == await status(world, parent)


@pytest.mark.parametrize(
    "move", [complete({}), fail(ERROR), cancel()], ids=["completed", "failed", "cancelled"]
)
async def test_a_parents_end_cancels_what_is_left_below_it(world: World, move: Move) -> None:
    """However it ended: pending and waiting children at once, running ones are asked, and so on downwards."""
    _, lease, [running, sleeper] = await parent_of(world, 2)
    [first, second] = await world.claim("w2", count=2)
    assert {running.task_id, sleeper.task_id} == {first.task_id, second.task_id}
    leases = {task.task_id: Lease("default", task.task_id, "w2", 1) for task in (first, second)}
    pending = await world.submit(parent_task_id=lease.task_id)
    below = await world.submit(parent_task_id=sleeper.task_id)
    far_below = await world.submit(parent_task_id=below.task_id)
    timer = Wait(reason=Reason.TIMER, step="t", until=first.updated_at + timedelta(days=14))
    await world.workers.settle(leases[sleeper.task_id], wait([timer], 0))
    await world.workers.settle(lease, move)
    while await world.upkeep.tell_ends(10):
        pass
    for task in (pending, sleeper, below, far_below):
        assert Status.CANCELLED == await status(world, task)
    orders = await world.workers.beat("w2", ["default"], slots=2, running=1)
    assert {running.task_id} == orders.cancelled
    log = await world.tasks.log("default", running.task_id)
    assert {"why": "parent_ended"} == log[-1].data
    settled = await world.workers.settle(leases[running.task_id], cancel())
    assert Status.CANCELLED == settled.status


async def test_children_that_had_ended_keep_their_ends(world: World) -> None:
    """A parent's end changes nothing of what is over."""
    _, lease, [child] = await parent_of(world, 1)
    await end(world, child)
    await world.workers.settle(lease, fail(ERROR))
    await world.upkeep.tell_ends(10)
    assert Status.COMPLETED == await status(world, child)


async def test_a_deadline_ends_parent_and_children(world: World) -> None:
    """Upkeep ends them all in one pass; the telling finds nobody left."""
    _, lease, [child] = await parent_of(world, 1, deadline_s=50.0)
    await world.workers.settle(lease, wait([for_children(1)], 0))
    world.advance(51)
    assert 2 == await world.upkeep.expire(10)
    assert 2 == await world.upkeep.tell_ends(10)
    ended = await world.tasks.get("default", child.task_id)
    assert (Status.FAILED, Reason.DEADLINE_EXCEEDED) == (ended.status, ended.reason)


async def test_a_parent_that_is_retried_at_once_keeps_its_children(world: World) -> None:
    """Its end was not told yet: the next generation finds them as they were."""
    parent, lease, [child] = await parent_of(world, 1)
    await world.workers.settle(lease, fail(ERROR))
    await world.tasks.retry("default", parent.task_id)
    await world.upkeep.tell_ends(10)
    assert Status.PENDING == await status(world, child)


async def test_a_child_that_is_retried_ends_again_for_its_parent(world: World) -> None:
    """The parent hears of both ends."""
    parent, _, [child] = await parent_of(world, 1)
    for move in (fail(ERROR), complete({})):
        await end(world, child, move)
        await world.upkeep.tell_ends(10)
        if move.to is Status.FAILED:
            await world.tasks.retry("default", child.task_id)
    assert 2 == (await world.tasks.get("default", parent.task_id)).signals
