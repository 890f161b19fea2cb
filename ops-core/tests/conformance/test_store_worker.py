"""What every store promises a worker."""

import asyncio
from decimal import Decimal

import pytest
from store_world import World

from ops_core.errors import LostOwnership
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, complete, fail, release, retry
from ops_core.ports import Append, Appended, Lease
from ops_core.store import Database, SqlTaskStore, SqlWorkerStore
from ops_core.task import NewTask, Reason, Status, TaskError, Usage

pytestmark = pytest.mark.conformance

STEP = NewEvent(type=EventType.LLM_COMPLETED, data={"text": "hi"}, journal={"path": "1/llm"})
ERROR = TaskError(type="provider_unavailable", message="Try later.", retryable=True)


async def test_a_claim_takes_ownership_under_a_new_epoch(world: World) -> None:
    """A claimed task is running, owned, on its first attempt, and its log says so."""
    await world.submit()
    task, lease = await world.claim_one()
    assert (Status.RUNNING, "w1", 1, 1) == (task.status, task.owner, task.epoch, task.attempt)
    events = await world.workers.history(lease)
    assert [EventType.TASK_SUBMITTED, EventType.TASK_CLAIMED] == [event.type for event in events]


async def test_a_claim_takes_the_best_and_no_more_than_it_may(world: World) -> None:
    """Priority first, then age; never more than the free slots."""
    old = await world.submit()
    world.advance(1)
    await world.submit()
    world.advance(1)
    urgent = await world.submit(priority=5)
    claimed = await world.claim(count=2)
    assert [urgent.task_id, old.task_id] == [task.task_id for task in claimed]


async def test_a_worker_gets_only_the_tasks_of_its_queues(world: World) -> None:
    """A task of another queue is left to its own workers."""
    await world.submit(queue="other")
    assert [] == await world.claim()


async def test_a_worker_that_never_beat_gets_nothing(world: World) -> None:
    """Nobody could tell that such a worker is dead, so it may own nothing."""
    await world.submit()
    assert [] == await world.workers.claim("stranger", ["default"], 1)


async def test_two_workers_never_claim_the_same_task(world: World) -> None:
    """Concurrent claims share the due tasks out, each exactly once."""
    submitted = {(await world.submit()).task_id for _ in range(30)}
    shares = await asyncio.gather(*(world.claim(f"w{i}", count=10) for i in range(4)))
    claimed = [task.task_id for share in shares for task in share]
    claimed += [task.task_id for task in await world.claim(count=30)]
    assert sorted(submitted) == sorted(claimed)


async def test_appended_events_are_numbered_without_a_gap(world: World) -> None:
    """An append continues the task's own sequence, keeps the journal and counts the usage."""
    await world.submit()
    _, lease = await world.claim_one()
    used = Usage(input_tokens=7, output_tokens=2, cost_usd=Decimal("0.001"), steps=1)
    await world.workers.append([Append(lease, [STEP, STEP], used)])
    await world.workers.append([Append(lease, [STEP], used)])
    events = await world.workers.history(lease)
    assert [1, 2, 3, 4, 5] == [event.seq for event in events]
    assert {"path": "1/llm"} == events[-1].journal
    assert used + used == (await world.tasks.get("default", lease.task_id)).usage


async def test_a_repeated_append_is_stored_once(world: World) -> None:
    """Asked again because the reply was lost, a store adds only what is not in the log of this run."""
    await world.submit()
    await world.submit()
    first, second = await world.claim(count=2)
    leases = [Lease("default", task.task_id, "w1", task.epoch) for task in (first, second)]
    large = NewEvent(type=EventType.LLM_COMPLETED, journal={"path": "2/llm", "value": "x" * 20_000})
    used = Usage(steps=1)
    for step in (STEP, large):
        await world.workers.append([Append(leases[0], [step], used)])
        again = [Append(lease, [step], used, is_repeated=True) for lease in leases]
        assert [Appended.STORED] * 2 == await world.workers.append(again)
    for lease in leases:
        assert 4 == len(await world.workers.history(lease))
        assert 2 == (await world.tasks.get("default", lease.task_id)).usage.steps


async def test_a_repeated_append_of_a_later_run_is_another_one(world: World) -> None:
    """What an earlier run of the task has stored is not this run's; a lost lease stays lost."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.workers.append([Append(lease, [STEP], Usage())])
    await world.workers.settle(lease, release("drained"))
    assert [Appended.LOST] == await world.workers.append(
        [Append(lease, [STEP], Usage(), is_repeated=True)]
    )
    _, later = await world.claim_one()
    again = Append(later, [STEP], Usage(), is_repeated=True)
    assert [Appended.STORED] == await world.workers.append([again])
    assert 2 == [e.type for e in await world.workers.history(later)].count(STEP.type)


async def test_an_intent_that_was_stored_before_a_cancel_is_told_of_when_asked_again(
    world: World,
) -> None:
    """Only its reply was lost: the call may be under way."""
    await world.submit()
    _, lease = await world.claim_one()
    intent = NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": "1/tool"})
    await world.workers.append([Append(lease, [intent], Usage())])
    await world.tasks.cancel("default", lease.task_id)
    again = Append(lease, [intent], Usage(), is_repeated=True)
    assert [Appended.STORED] == await world.workers.append([again])


async def test_no_effect_begins_once_a_cancel_was_acknowledged(world: World) -> None:
    """Its intent is not stored; what was under way may still be told."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", lease.task_id)
    intent = NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": "1/tool/0"})
    outcomes = [
        await world.workers.append([Append(lease, events, Usage())])
        for events in ([intent], [STEP, intent], [STEP])
    ]
    assert [[Appended.CANCELLED], [Appended.CANCELLED], [Appended.STORED]] == outcomes
    types = [event.type for event in await world.workers.history(lease)]
    assert EventType.TOOL_DISPATCHED not in types


async def test_a_batch_stores_the_good_and_names_the_lost(world: World) -> None:
    """One lost lease in a batch does not hold up the others."""
    await world.submit()
    await world.submit()
    first, second = await world.claim(count=2)
    good = Lease("default", first.task_id, "w1", first.epoch)
    stale = Lease("default", second.task_id, "w1", second.epoch - 1)
    unknown = Lease("default", "task_none", "w1", 1)
    outcomes = await world.workers.append(
        [Append(lease, [STEP], Usage()) for lease in (stale, good, unknown)]
    )
    assert [Appended.LOST, Appended.STORED, Appended.LOST] == outcomes
    assert 2 == (await world.tasks.get("default", second.task_id)).last_seq


async def test_a_zombie_can_neither_append_nor_settle(world: World) -> None:
    """What was claimed again under a later epoch is closed to its earlier owner."""
    await world.submit()
    _, old = await world.claim_one("w1")
    await world.workers.settle(old, release("drained"))
    task, _ = await world.claim_one("w2")
    assert [Appended.LOST] == await world.workers.append([Append(old, [STEP], Usage())])
    with pytest.raises(LostOwnership):
        await world.workers.settle(old, complete({"by": "zombie"}))
    assert task.epoch == 2


async def test_the_same_worker_is_fenced_from_its_own_earlier_claim(world: World) -> None:
    """The epoch decides, not the name of the owner."""
    await world.submit()
    _, old = await world.claim_one("w1")
    await world.workers.settle(old, release("drained"))
    await world.claim_one("w1")
    with pytest.raises(LostOwnership):
        await world.workers.settle(old, complete({}))


async def test_a_completed_task_keeps_its_result_and_stays_so(world: World) -> None:
    """A terminal state absorbs: one end, one terminal event."""
    await world.submit()
    _, lease = await world.claim_one()
    done = await world.workers.settle(lease, complete({"output": "391"}))
    assert (Status.COMPLETED, {"output": "391"}, None) == (done.status, done.result, done.owner)
    assert done.completed_at is not None
    with pytest.raises(LostOwnership):
        await world.workers.settle(lease, fail(ERROR))
    assert done == await world.tasks.get("default", lease.task_id)


async def test_a_failed_task_says_why(world: World) -> None:
    """A failed task carries its error and the reason of the state."""
    await world.submit()
    _, lease = await world.claim_one()
    failed = await world.workers.settle(lease, fail(ERROR))
    assert (Status.FAILED, Reason.ERROR, ERROR, None) == (
        failed.status,
        failed.reason,
        failed.error,
        failed.result,
    )


async def test_a_retried_task_rests_and_counts_its_attempts(world: World) -> None:
    """A retry comes back after its delay, as the next attempt."""
    await world.submit()
    _, lease = await world.claim_one()
    resting = await world.workers.settle(lease, retry(ERROR, 30))
    assert (Status.PENDING, Reason.RETRYING) == (resting.status, resting.reason)
    assert [] == await world.claim()
    world.advance(31)
    task, _ = await world.claim_one()
    assert (2, 2) == (task.attempt, task.epoch)


async def test_a_task_that_is_handed_over_is_still_on_the_same_attempt(world: World) -> None:
    """Drain and recovery never count as an attempt."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.workers.settle(lease, release("drained"))
    task, _ = await world.claim_one()
    assert (1, 2) == (task.attempt, task.epoch)


@pytest.mark.parametrize("move", [retry(ERROR, 30), release("drained")], ids=["retry", "release"])
async def test_an_accepted_cancel_outlives_a_run_that_would_go_on(world: World, move: Move) -> None:
    """A run that ends by going back to pending carries out the cancellation that a client was promised."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", lease.task_id)
    assert Status.CANCELLED == (await world.workers.settle(lease, move)).status
    assert [] == await world.claim()
    assert EventType.TASK_CANCELLED == (await world.workers.history(lease))[-1].type


async def test_a_run_that_ended_stays_ended_although_a_cancel_was_asked(world: World) -> None:
    """What is over cannot be cancelled: the failure is told as it is."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", lease.task_id)
    assert Status.FAILED == (await world.workers.settle(lease, fail(ERROR))).status


async def test_a_cancel_does_not_open_the_task_to_a_zombie(world: World) -> None:
    """The guard of a settlement is the same with a cancellation: the epoch."""
    await world.submit()
    _, old = await world.claim_one("w1")
    await world.workers.settle(old, release("drained"))
    await world.claim_one("w2")
    await world.tasks.cancel("default", old.task_id)
    with pytest.raises(LostOwnership):
        await world.workers.settle(old, release("drained"))


async def test_a_lost_task_is_missing_from_what_the_worker_owns(world: World) -> None:
    """The heartbeat tells a worker what was taken from it."""
    await world.submit()
    _, lease = await world.claim_one()
    await world.workers.settle(lease, release("taken"))
    orders = await world.workers.beat("w1", ["default"], slots=1, running=1)
    assert frozenset() == orders.owned


async def test_every_change_of_what_a_worker_owns_is_told(world: World) -> None:
    """Claims, cancellations and ends, each with the next heartbeat; and nothing while nothing changes."""

    async def told() -> tuple[int, int]:
        orders = await world.workers.beat("w1", ["default"], slots=2, running=0)
        return len(orders.owned), len(orders.cancelled)

    for _ in range(2):
        await world.submit()
    first, second = (await world.claim_one())[1], (await world.claim_one())[1]
    assert [(2, 0)] * 2 == [await told(), await told()]
    await world.tasks.cancel("default", first.task_id)
    assert [(2, 1)] * 2 == [await told(), await told()]
    await world.workers.settle(second, complete({}))
    assert (1, 1) == await told()
    await world.workers.settle(first, release("drained"))
    await world.submit()
    await world.claim_one()
    assert (1, 0) == await told()


async def test_a_worker_of_which_nothing_changed_is_told_the_very_same(
    database_url: str,
) -> None:
    """What it owns is not read again: thousands of tasks that wait make no heartbeat dearer."""
    database = Database(database_url)
    workers, tasks = SqlWorkerStore(database), SqlTaskStore(database)
    await tasks.submit(NewTask(task_id="t", tenant_id="a", task_type="x", input_data={}))
    await workers.beat("w1", ["default"], slots=1, running=0)
    await workers.claim("w1", ["default"], 1)
    first, second = [await workers.beat("w1", ["default"], slots=1, running=1) for _ in range(2)]
    await database.close()
    assert ({"t"}, True) == ({one.task_id for one in first.owned}, first.owned is second.owned)
