"""What every store promises the dispatcher."""

from datetime import timedelta

import pytest
from store_world import GRACE_MAX_S, GRACE_S, TTL_S, World

from ops_core.moves import complete, retry
from ops_core.ports import TaskKey
from ops_core.task import Reason, Status, TaskError

pytestmark = pytest.mark.conformance


async def _listen(world: World, worker: str = "w1", *, running: int = 0) -> None:
    await world.workers.beat(worker, ["default"], slots=1, running=running)


async def test_a_new_task_is_rung_only_after_its_submitter_had_time_to(world: World) -> None:
    """A fresh row is its submitter's to ring; when that is lost, upkeep rings after the grace."""
    task = await world.submit()
    await _listen(world)
    assert [] == await world.upkeep.take_rings(10)
    world.advance(GRACE_S + 1)
    await _listen(world)
    [taken] = await world.upkeep.take_rings(10)
    assert ("default", 1) == (taken.queue, taken.count)
    assert [TaskKey("default", task.task_id)] == [row.key for row in taken.rows]


async def test_a_ring_that_nobody_followed_comes_again_after_twice_the_rest(world: World) -> None:
    """Rings back off: 5, 10, 20 … seconds, up to the largest rest."""
    await world.submit()
    for rest in (0, GRACE_S, GRACE_S * 2, GRACE_S * 4, GRACE_S * 8, GRACE_MAX_S, GRACE_MAX_S):
        world.advance((rest or GRACE_S) - 0.5)
        await _listen(world)
        assert [] == await world.upkeep.take_rings(10)
        world.advance(0.5)
        assert 1 == len(await world.upkeep.take_rings(10))


async def test_who_is_rung_finds_the_rows_free(world: World) -> None:
    """When rings were taken nothing is left to be written: the row can be claimed, and is not rung twice."""
    task = await world.submit()
    world.advance(GRACE_S)
    await _listen(world)
    assert 1 == len(await world.upkeep.take_rings(10))
    assert [] == await world.upkeep.take_rings(10)
    assert [task.task_id] == [t.task_id for t in await world.claim()]


async def test_rings_that_were_returned_are_due_at_once(world: World) -> None:
    """A ring that the broker did not take costs no rest."""
    await world.submit()
    world.advance(GRACE_S)
    for _ in range(8):
        await _listen(world)
        [taken] = await world.upkeep.take_rings(10)
        await world.upkeep.return_rings(taken.rows)
    await world.upkeep.take_rings(10)
    world.advance(GRACE_S)
    await _listen(world)
    assert 1 == len(await world.upkeep.take_rings(10))


async def test_a_ring_is_not_returned_to_a_row_that_was_claimed_since(world: World) -> None:
    """What happened between taking and returning decides when the row is rung next."""
    await world.submit()
    world.advance(GRACE_S)
    await _listen(world)
    [taken] = await world.upkeep.take_rings(10)
    _, lease = await world.claim_one()
    await world.upkeep.return_rings(taken.rows)
    await world.workers.settle(lease, retry(TaskError(type="x", message="y"), 60))
    await world.upkeep.return_rings(taken.rows)
    assert [] == await world.upkeep.take_rings(10)


async def test_nobody_is_rung_when_nobody_has_room(world: World) -> None:
    """A row that no worker can take is neither rung nor put off."""
    await world.submit()
    world.advance(GRACE_S)
    assert [] == await world.upkeep.take_rings(10)
    await _listen(world, running=1)
    assert [] == await world.upkeep.take_rings(10)
    await _listen(world, "w2")
    [taken] = await world.upkeep.take_rings(10)
    assert 1 == taken.count


async def test_rows_that_nobody_serves_do_not_starve_the_others(world: World) -> None:
    """The limit counts rows of queues with workers."""
    for _ in range(3):
        await world.submit(queue="nobody")
    world.advance(1)
    await world.submit()
    world.advance(GRACE_S)
    await _listen(world)
    assert ["default"] == [taken.queue for taken in await world.upkeep.take_rings(2)]


async def test_a_queue_gets_as_many_rings_as_workers_can_hear(world: World) -> None:
    """One ring a worker with room, and no more than rows; one queue's rings are not another one's."""
    for queue in ("default", "default", "default", "other"):
        await world.submit(queue=queue)
    world.advance(GRACE_S)
    await _listen(world, "w1")
    await world.workers.beat("w2", ["default", "other"], slots=1, running=0)
    await world.workers.beat("w3", ["other"], slots=1, running=0)
    taken = {
        rings.queue: (rings.count, len(rings.rows)) for rings in await world.upkeep.take_rings(10)
    }
    assert {"default": (2, 3), "other": (1, 1)} == taken


async def test_a_delayed_task_is_rung_when_its_time_comes(world: World) -> None:
    """Nobody rings for a delayed task before it can be claimed."""
    now = (await world.submit()).created_at
    await world.claim()
    await world.submit(scheduled_at=now + timedelta(hours=1))
    world.advance(3599)
    await _listen(world)
    assert [] == await world.upkeep.take_rings(10)
    world.advance(1)
    assert 1 == len(await world.upkeep.take_rings(10))


async def test_a_claimed_task_is_not_rung(world: World) -> None:
    """A running row asks for no ring."""
    await world.submit()
    await world.claim()
    world.advance(GRACE_S + 1)
    await _listen(world)
    assert [] == await world.upkeep.take_rings(10)


async def test_a_pending_task_past_its_deadline_fails(world: World) -> None:
    """A deadline is kept although nobody ever ran the task."""
    task = await world.submit(deadline_s=30.0)
    assert 0 == await world.upkeep.expire(10)
    world.advance(31)
    assert [] == await world.claim()
    assert 1 == await world.upkeep.expire(10)
    failed = await world.tasks.get("default", task.task_id)
    assert (Status.FAILED, Reason.DEADLINE_EXCEEDED) == (failed.status, failed.reason)
    assert failed.error is not None
    assert "deadline_exceeded" == failed.error.type


async def test_the_deadline_of_a_running_task_is_its_owners_first(world: World) -> None:
    """Upkeep takes a running task only when its owner let the deadline pass by a time-to-live."""
    await world.submit(deadline_s=30.0)
    _, lease = await world.claim_one()
    world.advance(31)
    assert 0 == await world.upkeep.expire(10)
    world.advance(TTL_S)
    assert 1 == await world.upkeep.expire(10)
    task = await world.tasks.get("default", lease.task_id)
    assert Reason.DEADLINE_EXCEEDED == task.reason


async def test_the_tasks_of_a_dead_worker_are_given_back(world: World) -> None:
    """A worker that stopped beating loses its tasks, on the same attempt, rung at once."""
    await world.submit()
    _, lease = await world.claim_one()
    world.advance(TTL_S + 1)
    assert 1 == await world.upkeep.bury_workers(10)
    task = await world.tasks.get("default", lease.task_id)
    assert (Status.PENDING, Reason.RECOVERED) == (task.status, task.reason)
    await _listen(world, "w2")
    assert 1 == len(await world.upkeep.take_rings(10))
    assert 0 == await world.upkeep.bury_workers(10)


async def test_the_dead_are_buried_in_batches(world: World) -> None:
    """One pass gives back no more than its limit; the worker is forgotten when it owns nothing any more."""
    for _ in range(3):
        await world.submit()
    await world.claim(count=3)
    world.advance(TTL_S + 1)
    assert [2, 1, 0] == [await world.upkeep.bury_workers(2) for _ in range(3)]
    assert [] == await world.workers.claim("w1", ["default"], 3)
    assert 3 == len(await world.claim("w2", count=3))


async def test_a_living_worker_is_not_buried(world: World) -> None:
    """A heartbeat within the time-to-live protects every task of its worker."""
    await world.submit()
    await world.claim_one()
    world.advance(TTL_S - 1)
    await _listen(world)
    world.advance(TTL_S - 1)
    assert 0 == await world.upkeep.bury_workers(10)


async def test_a_buried_worker_that_thaws_claims_nothing_before_it_beats(world: World) -> None:
    """A frozen worker comes back as a stranger: its first claim must not own anything unseen."""
    await _listen(world)
    world.advance(TTL_S + 1)
    await world.upkeep.bury_workers(10)
    await world.submit()
    assert [] == await world.workers.claim("w1", ["default"], 1)


async def test_a_cancellation_that_a_dead_worker_owed_is_carried_out(world: World) -> None:
    """A client who was told that the cancellation is under way gets it."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", lease.task_id)
    world.advance(TTL_S + 1)
    await world.upkeep.bury_workers(10)
    assert Status.CANCELLED == (await world.tasks.get("default", lease.task_id)).status


async def test_a_worker_that_leaves_with_a_task_is_still_found_dead(world: World) -> None:
    """Leaving does not hide what a worker still owns."""
    await world.submit()
    await world.claim_one()
    await world.workers.leave("w1")
    world.advance(TTL_S + 1)
    assert 1 == await world.upkeep.bury_workers(10)


async def test_a_worker_that_left_is_no_longer_rung(world: World) -> None:
    """An orderly leave takes the worker off the list at once."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    await world.workers.leave("w1")
    await world.submit()
    world.advance(GRACE_S)
    assert [] == await world.upkeep.take_rings(10)
