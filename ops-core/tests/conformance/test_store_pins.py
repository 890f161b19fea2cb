"""Tasks are tied to versions, and workers get only those that they can run."""

import pytest
from store_world import World

from ops_core.moves import release
from ops_core.ports import Lease, Profile
from ops_core.task import Task

pytestmark = pytest.mark.conformance

OLD = Profile(pins={"noop": ("agent@1",)}, supports=frozenset({"agent@1"}))
NEW = Profile(pins={"noop": ("agent@2",)}, supports=frozenset({"agent@2"}))
BOTH = Profile(pins={"noop": ("agent@2",)}, supports=frozenset({"agent@1", "agent@2"}))


async def claim(world: World, worker: str, profile: Profile) -> list[Task]:
    await world.workers.beat(worker, ["default"], slots=10, running=0, profile=profile)
    return await world.workers.claim(worker, ["default"], 10)


async def hand_over(world: World, worker: str, profile: Profile) -> Task:
    """The task as a worker claims it and gives it back."""
    [task] = await claim(world, worker, profile)
    lease = Lease(task.tenant_id, task.task_id, worker, task.epoch)
    await world.workers.settle(lease, release("drained"))
    return task


async def test_the_first_claim_ties_a_task_to_what_its_worker_says(world: World) -> None:
    """For ever: a newer worker that can run the old versions as well does not change them."""
    await world.submit()
    assert ("agent@1",) == (await hand_over(world, "old", OLD)).pins
    [again] = await claim(world, "both", BOTH)
    assert ("agent@1",) == again.pins


async def test_a_worker_that_lacks_a_version_leaves_the_task_to_one_that_has_it(
    world: World,
) -> None:
    """It stays pending meanwhile, and new tasks pass it by."""
    tied = await world.submit()
    await hand_over(world, "old", OLD)
    fresh = await world.submit()
    assert [fresh.task_id] == [task.task_id for task in await claim(world, "new", NEW)]
    assert [tied.task_id] == [task.task_id for task in await claim(world, "old", OLD)]


async def test_types_of_which_a_worker_says_nothing_are_tied_to_nothing(world: World) -> None:
    """Any worker may go on with them."""
    await world.submit("other")
    assert () == (await hand_over(world, "old", OLD)).pins
    assert 1 == len(await claim(world, "new", NEW))
