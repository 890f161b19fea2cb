"""Many submits and reads at once: each is answered as if it were alone."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from store_world import World

from ops_core.errors import IdempotencyConflict, TaskNotFound
from ops_core.log import EventType
from ops_core.ports import TaskFilter
from ops_core.task import NewTask, RetryPolicy, Task, new_task_id

pytestmark = pytest.mark.conformance


def new(**fields: object) -> NewTask:
    task = NewTask(
        task_id=new_task_id(), tenant_id="default", task_type="noop", input_data={"n": 1}
    )
    return replace(task, **fields)  # type: ignore[arg-type]


async def test_each_of_many_is_stored_with_its_own_values(world: World) -> None:
    """Tasks that have little in common, and the first event of each."""
    many = [
        new(
            task_id=f"task_{n:03}",
            name=f"n{n}",
            priority=n,
            input_data={"n": n},
            labels={"l": str(n)},
        )
        for n in range(150)
    ]
    await asyncio.gather(*(world.tasks.submit(each) for each in many))
    for asked in many[::50]:
        task = await world.tasks.get("default", asked.task_id)
        [event] = await world.tasks.events("default", asked.task_id, after=0, limit=10)
        assert (asked.name, asked.priority, asked.input_data, asked.labels) == (
            *(task.name, task.priority),
            *(task.input_data, task.labels),
        )
        assert (EventType.TASK_SUBMITTED, asked.name) == (event.type, event.data["name"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"deadline_s": 60.5},
        {"scheduled_at": datetime(2099, 1, 1, tzinfo=UTC)},
        {"scheduled_at": datetime(2001, 1, 1, tzinfo=UTC) + timedelta(microseconds=7)},
        {"name": "n", "agent": "a", "agent_version": 3, "handoffs": {"b": 2}, "queue": "q2"},
        {"retry_policy": RetryPolicy(max_attempts=9, backoff_s=0.5), "labels": {"a": "ü"}},
        {"input_data": {"deep": [1, 1.5, {"x": None}], "big": 2**63 - 1, "small": 1e-7}},
    ],
)
async def test_what_is_answered_is_what_is_stored(world: World, fields: dict[str, object]) -> None:
    """A submit answers with the task that a read finds."""
    task, created = await world.tasks.submit(new(**fields))
    assert (True, task) == (created, await world.tasks.get("default", task.task_id))


async def test_a_hundred_identical_submits_are_one_task(world: World) -> None:
    """One of them stores it; the others are answered with it."""
    answers = await asyncio.gather(
        *(world.tasks.submit(new(idempotency_key="k", request_hash="h")) for _ in range(100))
    )
    assert (1, 1) == (len({task.task_id for task, _ in answers}), sum(new for _, new in answers))
    assert 1 == (await world.tasks.page("default", TaskFilter(), limit=10, cursor=None)).total


async def test_a_taken_key_concerns_its_own_request_alone(world: World) -> None:
    """The same body gets the task, another body the conflict, and the rest is stored."""
    before = await world.submit(idempotency_key="k", request_hash="h")
    asked = [
        new(idempotency_key="k", request_hash="h"),
        new(idempotency_key="k", request_hash="other"),
        new(idempotency_key="free", request_hash="h"),
        new(),
    ]
    same, other, *stored = await asyncio.gather(
        *(world.tasks.submit(each) for each in asked), return_exceptions=True
    )
    assert (before.task_id, False) == found(same)
    assert isinstance(other, IdempotencyConflict)
    assert [(each.task_id, True) for each in asked[2:]] == [found(each) for each in stored]


async def test_plain_and_other_tasks_at_once(world: World) -> None:
    """What belongs to others is stored beside what does not."""
    parent = await world.submit()
    asked = [
        new(),
        new(parent_task_id=parent.task_id),
        new(thread_id="t"),
        new(concurrency_key="c"),
    ]
    await asyncio.gather(*(world.tasks.submit(each) for each in asked))
    found = [await world.tasks.get("default", each.task_id) for each in asked]
    assert [
        (None, None, None),
        (parent.task_id, None, None),
        (None, "t", None),
        (None, None, "c"),
    ] == [(task.parent_task_id, task.thread_id, task.concurrency_key) for task in found]


async def test_many_reads_at_once_are_each_answered(world: World) -> None:
    """Each with its own task, some with the same one, and what is not there with that."""
    tasks = [await world.submit(name=str(n)) for n in range(3)]
    ids = [*(task.task_id for task in tasks), tasks[0].task_id, "task_missing"]
    answers = await asyncio.gather(
        *(world.tasks.get("default", task_id) for task_id in ids), return_exceptions=True
    )
    assert ["0", "1", "2", "0"] == [task.name for task in answers if isinstance(task, Task)]
    assert isinstance(answers[-1], TaskNotFound)


async def test_a_read_among_those_of_another_tenant_finds_nothing(world: World) -> None:
    """Though both are asked at once."""
    task = await world.submit()
    own, others = await asyncio.gather(
        world.tasks.get("default", task.task_id),
        world.tasks.get("other", task.task_id),
        return_exceptions=True,
    )
    assert own == task
    assert isinstance(others, TaskNotFound)


def found(answer: object) -> tuple[str, bool]:
    assert isinstance(answer, tuple)
    task, created = answer
    return task.task_id, created
