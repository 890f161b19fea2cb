"""A fork as every store keeps it."""

import pytest
from store_world import World

from ops_core.errors import IdempotencyConflict, TaskNotFound
from ops_core.log import EventType, NewEvent
from ops_core.overrides import parse_fork
from ops_core.ports import Append, TaskType
from ops_core.service import Submitted, TaskService
from ops_core.step import Step
from ops_core.task import NOTHING_USED, Status, Task, Usage

pytestmark = pytest.mark.conformance

NOOP = TaskType(name="noop", input_schema={"type": "object"}, overrides={"n": ("n",)})

#: A journal that is kept beside the log.
LARGE = "x" * 50_000


async def source(world: World) -> Task:
    """A task that is running, with one small and one large step, and a bill."""
    await world.submit(name="sums", labels={"team": "a"}, priority=3, deadline_s=60.0)
    task, lease = await world.claim_one()
    steps = [
        NewEvent(
            type=EventType.STEP_RECORDED,
            data={"path": str(n)},
            journal=Step(str(n), "value", "v", None, "pure").entry | {"value": value},
        )
        for n, value in enumerate(["small", LARGE], start=1)
    ]
    await world.workers.append([Append(lease, steps, Usage(input_tokens=7, steps=2))])
    return task


async def fork(
    world: World, task: Task, after_seq: int, *, key: str | None = None, **overrides: object
) -> Submitted:
    service = TaskService(world.tasks, {"noop": NOOP}, lambda *_: None)
    request = parse_fork({"after_seq": after_seq, "overrides": overrides})
    return await service.fork(task.task_id, request, tenant_id=task.tenant_id, idempotency_key=key)


async def test_a_fork_is_a_new_task_with_its_sources_steps_and_no_bill(world: World) -> None:
    """Its log begins with what it came from, then the steps, large ones whole; it has paid for nothing."""
    task = await source(world)
    forked = (await fork(world, task, 4, n=2)).task
    log = await world.tasks.log("default", forked.task_id)
    assert {"task_id": task.task_id, "seq": 4} == log[0].data["forked_from"]
    assert [1, 2, 3] == [event.seq for event in log]
    assert ["small", LARGE] == [event.journal["value"] for event in log if event.journal]
    assert NOTHING_USED == forked.usage
    assert (Status.PENDING, {"n": 2}, 3) == (forked.status, forked.input_data, forked.last_seq)


async def test_a_fork_asks_for_what_its_source_asked_for(world: World) -> None:
    """Name, labels, priority and the whole of its time are the same."""
    forked = (await fork(world, await source(world), 1)).task
    assert ("sums", {"team": "a"}, 3) == (forked.name, forked.labels, forked.priority)
    assert forked.deadline_at is not None
    assert 60.0 == (forked.deadline_at - forked.created_at).total_seconds()


async def test_a_fork_can_be_claimed_and_forked_itself(world: World) -> None:
    """It is a task like any other."""
    task = await source(world)
    forked = (await fork(world, task, 3)).task
    claimed, _ = await world.claim_one("w2")
    assert forked.task_id == claimed.task_id
    again = (await fork(world, forked, 2)).task
    assert "small" == ((await world.tasks.log("default", again.task_id))[1].journal or {})["value"]


async def test_a_fork_of_a_child_belongs_to_nobody(world: World) -> None:
    """The parent waits for its own child and not for its copies."""
    parent = await world.submit()
    child = await world.submit(parent_task_id=parent.task_id)
    assert (await fork(world, child, 1)).task.parent_task_id is None


async def test_the_same_key_is_the_same_fork(world: World) -> None:
    """With another request under it, it is refused."""
    task = await source(world)
    first, again = [await fork(world, task, 3, key="k") for _ in range(2)]
    assert (True, False) == (first.created, again.created)
    assert first.task.task_id == again.task.task_id
    with pytest.raises(IdempotencyConflict):
        await fork(world, task, 2, key="k")


async def test_another_tenants_task_cannot_be_forked(world: World) -> None:
    """It is not there for them."""
    await world.submit(task_id="t", tenant_id="other")
    service = TaskService(world.tasks, {"noop": NOOP}, lambda *_: None)
    with pytest.raises(TaskNotFound):
        await service.fork("t", parse_fork({"after_seq": 1}), tenant_id="default")
