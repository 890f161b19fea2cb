"""What every store promises tasks that belong together."""

import pytest
from store_world import World

from ops_core.errors import InvalidRequest
from ops_core.moves import complete, wait
from ops_core.task import Reason, Status, Task, Wait

pytestmark = pytest.mark.conformance


async def _status(world: World, task: Task) -> Status:
    return (await world.tasks.get("default", task.task_id)).status


async def test_the_end_of_a_child_wakes_nobody_who_waits_for_something_else(world: World) -> None:
    """A parent that waits for an answer goes on waiting for it."""
    parent = await world.submit()
    _, lease = await world.claim_one()
    await world.submit(parent_task_id=parent.task_id)
    await world.workers.settle(lease, wait([Wait(reason=Reason.INPUT, step="1")], 0))
    _, child = await world.claim_one()
    await world.workers.settle(child, complete({}))
    assert 1 == await world.upkeep.tell_ends(10)
    assert Status.WAITING is await _status(world, parent)


async def _cancelled_while_it_depends(world: World) -> tuple[Task, Task]:
    needed = await world.submit()
    dependent = await world.submit(depends_on=(needed.task_id,))
    await world.tasks.cancel("default", dependent.task_id)
    return needed, dependent


async def test_a_task_that_is_opened_again_waits_for_what_it_depends_on(world: World) -> None:
    """A retry is no way around `depends_on`; when that has completed the task runs."""
    needed, dependent = await _cancelled_while_it_depends(world)
    again = await world.tasks.retry("default", dependent.task_id)
    assert (Status.PENDING, Reason.DELAYED) == (again.status, again.reason)
    task, lease = await world.claim_one()
    assert needed.task_id == task.task_id
    assert [] == await world.claim()
    await world.workers.settle(lease, complete({}))
    assert 1 == await world.upkeep.tell_ends(10)
    assert [dependent.task_id] == [task.task_id for task in await world.claim()]


async def test_what_completed_while_its_dependent_had_ended_counts(world: World) -> None:
    """A task that was cancelled while it waited is not held by what has completed since."""
    _, dependent = await _cancelled_while_it_depends(world)
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    assert 1 == await world.upkeep.tell_ends(10)
    ended = await world.tasks.events("default", dependent.task_id, after=0, limit=10)
    assert "task.cancelled" == ended[-1].type
    await world.tasks.retry("default", dependent.task_id)
    assert [dependent.task_id] == [task.task_id for task in await world.claim()]


async def test_a_task_is_not_opened_again_beside_a_dependency_that_failed(world: World) -> None:
    """The client is told to retry that one first, instead of waiting for ever."""
    needed = await world.submit()
    dependent = await world.submit(depends_on=(needed.task_id,))
    await world.tasks.cancel("default", needed.task_id)
    assert 1 == await world.upkeep.tell_ends(10)
    assert Status.FAILED is await _status(world, dependent)
    with pytest.raises(InvalidRequest, match=f"{needed.task_id}: is cancelled: retry it first"):
        await world.tasks.retry("default", dependent.task_id)
    await world.tasks.retry("default", needed.task_id)
    await world.tasks.retry("default", dependent.task_id)
    assert [needed.task_id] == [task.task_id for task in await world.claim(count=5)]


async def test_a_child_that_is_retried_still_ends_no_later_than_its_parent(world: World) -> None:
    """Its deadline begins anew, but for that of a parent which is still under way."""
    parent = await world.submit(deadline_s=100.0)
    plain = await world.submit(parent_task_id=parent.task_id)
    longer = await world.submit(parent_task_id=parent.task_id, deadline_s=1000.0)
    shorter = await world.submit(parent_task_id=parent.task_id, deadline_s=10.0)
    for child in (plain, longer, shorter):
        await world.tasks.cancel("default", child.task_id)
    again = [await world.tasks.retry("default", child.task_id) for child in (plain, longer)]
    assert [parent.deadline_at] * 2 == [child.deadline_at for child in again]
    ends_at = (await world.tasks.retry("default", shorter.task_id)).deadline_at
    assert parent.deadline_at is not None
    assert ends_at is not None
    assert ends_at < parent.deadline_at
    await world.tasks.cancel("default", parent.task_id)
    await world.tasks.cancel("default", plain.task_id)
    assert (await world.tasks.retry("default", plain.task_id)).deadline_at is None
