"""What every store promises tasks that belong together."""

import pytest
from store_world import World

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
