"""Calls under way when their task ends: every store says of them that nobody knows."""

import pytest
from store_world import World

from ops_core.answers import resolution
from ops_core.errors import NothingAsked
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import cancel, complete, fail, release
from ops_core.ports import Append, Lease
from ops_core.store.blobs import LARGE
from ops_core.task import Status, TaskError, Usage

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="No.")


def dispatched(path: str, **entry: object) -> NewEvent:
    data = {"path": path, "tool": "pay", "arguments": {"n": 1}, "effect": "unsafe"}
    journal = {"v": 1, "path": path, "hash": "h", **entry}
    return NewEvent(type=EventType.TOOL_DISPATCHED, data=data, journal=journal)


def ended(path: str) -> NewEvent:
    journal = {"v": 1, "path": path, "hash": "h", "value": 1}
    return NewEvent(type=EventType.TOOL_COMPLETED, journal=journal)


async def calling(world: World, *events: NewEvent, **fields: object) -> Lease:
    """A running task with these events in its log."""
    await world.submit(**fields)  # type: ignore[arg-type]
    _, lease = await world.claim_one()
    await world.workers.append([Append(lease, events or [dispatched("1/tool/1")], Usage())])
    return lease


async def tail(world: World, lease: Lease, count: int = 2) -> list[Event]:
    return (await world.tasks.log("default", lease.task_id))[-count:]


@pytest.mark.parametrize(
    ("move", "why"),
    [(cancel(), "the task was cancelled"), (fail(ERROR), "the task failed")],
    ids=["cancelled", "failed"],
)
async def test_an_owner_that_ends_its_task_in_a_call_leaves_a_doubt(
    world: World, move: object, why: str
) -> None:
    """The log says first that nobody knows of the call, then that the task ended."""
    lease = await calling(world)
    await world.workers.settle(lease, move)  # type: ignore[arg-type]
    doubt, _ = await tail(world, lease)
    assert (EventType.TOOL_UNKNOWN, why, "pay", {"n": 1}) == (
        doubt.type,
        doubt.data["why"],
        doubt.data["tool"],
        doubt.data["arguments"],
    )
    assert {"v": 1, "path": "1/tool/1", "hash": "h"} == doubt.journal


async def test_only_calls_without_an_end_are_doubtful(world: World) -> None:
    """What came back, failed or was settled by a person is known."""
    lease = await calling(
        world, dispatched("1/a"), dispatched("1/b"), ended("1/a"), dispatched("1/c")
    )
    await world.workers.settle(lease, cancel())
    log = await world.tasks.log("default", lease.task_id)
    assert ["1/b", "1/c"] == [e.data["path"] for e in log if e.type == EventType.TOOL_UNKNOWN]


async def test_a_completed_or_released_task_leaves_no_doubt(world: World) -> None:
    """A release is no end: the next owner finds the call in the log itself."""
    for move in (complete({}), release("drained")):
        lease = await calling(world)
        await world.workers.settle(lease, move)
        assert EventType.TOOL_UNKNOWN not in [e.type for e in await tail(world, lease, 9)]
        if move.to is Status.PENDING:
            await world.tasks.cancel("default", lease.task_id)


async def test_a_client_that_cancels_between_two_owners_leaves_a_doubt(world: World) -> None:
    """The task was given back in its call, and nobody runs it."""
    lease = await calling(world)
    await world.workers.settle(lease, release("drained"))
    await world.tasks.cancel("default", lease.task_id)
    doubt, last = await tail(world, lease)
    assert (EventType.TOOL_UNKNOWN, EventType.TASK_CANCELLED) == (doubt.type, last.type)


async def test_a_deadline_that_upkeep_carries_out_leaves_a_doubt(world: World) -> None:
    """Its owner did not act: what it was doing is not known."""
    lease = await calling(world, deadline_s=10.0)
    world.advance(30)
    assert 1 == await world.upkeep.expire(10)
    doubt, last = await tail(world, lease)
    assert ("the deadline passed", EventType.TASK_FAILED) == (doubt.data["why"], last.type)


async def test_a_cancel_that_outlives_its_worker_leaves_a_doubt(world: World) -> None:
    """The worker died with a cancellation on its way."""
    lease = await calling(world)
    await world.tasks.cancel("default", lease.task_id)
    world.advance(60)
    assert 1 == await world.upkeep.bury_workers(10)
    doubt, last = await tail(world, lease)
    assert (EventType.TOOL_UNKNOWN, EventType.TASK_CANCELLED) == (doubt.type, last.type)


async def test_a_parents_end_leaves_a_doubt_in_its_childs_call(world: World) -> None:
    """A child given back in its call is cancelled by upkeep."""
    parent = await world.submit(queue="other")
    lease = await calling(world, parent_task_id=parent.task_id)
    await world.workers.settle(lease, release("drained"))
    await world.tasks.cancel("default", parent.task_id)
    await world.upkeep.tell_ends(10)
    doubt, last = await tail(world, lease)
    assert (EventType.TOOL_UNKNOWN, EventType.TASK_CANCELLED) == (doubt.type, last.type)


async def test_a_doubt_keeps_a_large_journal(world: World) -> None:
    """What stands beside the log is named again, not lost."""
    lease = await calling(world, dispatched("1/a", more="x" * (LARGE + 1)))
    await world.workers.settle(lease, cancel())
    doubt, _ = await tail(world, lease)
    assert LARGE < len((doubt.journal or {})["more"])


async def test_a_retried_task_can_be_told_what_came_of_its_call(world: World) -> None:
    """The doubt outlives the generation; a word on it is taken once, and on no other call."""
    lease = await calling(world)
    await world.workers.settle(lease, cancel())
    await world.tasks.retry("default", lease.task_id)
    with pytest.raises(NothingAsked):
        await world.tasks.signal("default", lease.task_id, resolution("9", "fail", None))
    said = resolution("1/tool/1", "happened", {"id": 7})
    task = await world.tasks.signal("default", lease.task_id, said)
    assert (Status.PENDING, 1) == (task.status, task.signals)
    [last] = await tail(world, lease, 1)
    assert (EventType.EFFECT_RESOLVED, {"id": 7}) == (last.type, last.data["result"])
    with pytest.raises(NothingAsked):
        await world.tasks.signal("default", lease.task_id, said)
