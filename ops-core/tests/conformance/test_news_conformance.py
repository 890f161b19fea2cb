"""What every reader of many logs promises, and that the one on PostgreSQL reads only what is new."""

import asyncio
from collections.abc import Mapping

import pytest
from sqlalchemy import text
from store_world import World

from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, TaskType
from ops_core.service import TaskService
from ops_core.store import Database, SqlNews, SqlTaskStore
from ops_core.store.news import NEWS
from ops_core.streams.hub import StreamSettings
from ops_core.streams.ports import News
from ops_core.streams.service import EventStreams
from ops_core.streams.told import Told
from ops_core.task import Task, Usage
from ops_core.testing.news import TaskByTask

pytestmark = pytest.mark.conformance

STEP = NewEvent(type=EventType.STEP_RECORDED, data={"n": 1}, journal={"value": "private"})


def service(world: World) -> TaskService:
    types = {"noop": TaskType(name="noop", input_schema={})}
    return TaskService(world.tasks, types, lambda _queue, _task_id: None)


@pytest.fixture
def news(world: World) -> News:
    if isinstance(world.tasks, SqlTaskStore):
        return SqlNews(world.tasks._database)
    return TaskByTask(service(world))


async def write(world: World, task: Task, count: int) -> None:
    for _ in range(count):
        await world.workers.append([Append(world.lease(task), [STEP], Usage())])


async def asked(
    news: News, after: Mapping[str, int], *, each: int = 100, total: int = 1000
) -> list[tuple[str, int]]:
    found = await news.news("default", after, each=each, total=total)
    return [(event.task_id, event.seq) for event in found]


async def test_each_task_has_what_is_beyond_its_number(world: World, news: News) -> None:
    """In order; one that has nothing new, or is gone, has nothing."""
    await world.submit()
    busy, _ = await world.claim_one()
    quiet = await world.submit()
    await write(world, busy, 3)
    after = {busy.task_id: 2, quiet.task_id: 1, "task_gone": 0}
    assert [(busy.task_id, seq) for seq in (3, 4, 5)] == await asked(news, after)
    assert [(quiet.task_id, 1)] == await asked(news, {quiet.task_id: 0, busy.task_id: 5})


async def test_one_task_has_so_many_and_all_together_so_many(world: World, news: News) -> None:
    """What is left out comes with the next question."""
    await world.submit()
    await world.submit()
    tasks = await world.claim(count=2)
    for task in tasks:
        await write(world, task, 3)
    after = {task.task_id: 0 for task in tasks}
    found = await asked(news, after, each=2)
    assert {(task.task_id, seq) for task in tasks for seq in (1, 2)} == {*found}
    assert 3 == len(await asked(news, after, each=2, total=3))


async def test_another_tenant_has_no_news(world: World, news: News) -> None:
    """Whoever knows an id sees nothing of another's task."""
    task = await world.submit()
    assert [] == await news.news("other", {task.task_id: 0}, each=10, total=10)


async def test_what_replay_reads_is_not_news(world: World, news: News) -> None:
    """Journals are private and may be large."""
    await world.submit()
    task, _ = await world.claim_one()
    await write(world, task, 1)
    [event] = await news.news("default", {task.task_id: 2}, each=10, total=10)
    expected = Event(type=STEP.type, data={"n": 1}, task_id=task.task_id, seq=3, at=event.at)
    assert expected == event


async def test_a_stream_over_the_store_is_its_log(world: World, news: News) -> None:
    """While events are written, from behind and from the edge."""
    await world.submit()
    task, lease = await world.claim_one()
    await write(world, task, 110)
    settings = StreamSettings(poll_s=0.005, idle_s=0.01)
    streams = EventStreams(service(world), news, settings=settings)

    async def follow(after: int) -> list[int]:
        with await streams.watch(task.task_id, tenant_id="default", after=after) as watch:
            found: list[int] = []
            while not watch.over:
                found += [o.event.seq for o in await watch.next(1.0) if isinstance(o, Told)]
        return found

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        following = [group.create_task(follow(after)) for after in (0, 50, 112)]
        await write(world, task, 50)
        await world.workers.settle(lease, complete({}))
    expected = [list(range(after + 1, 164)) for after in (0, 50, 112)]
    assert expected == [task.result() for task in following]


async def test_a_long_log_is_not_read_for_its_end(database_url: str) -> None:
    """One look into the primary key for each task."""
    database = Database(database_url, pool_size=1)
    written = text(
        """
        INSERT INTO event (tenant_id, task_id, seq, type, data, at)
        SELECT 'default', 'task_' || t, n, 'x', '{}', now()
        FROM generate_series(1, 20) AS t, generate_series(1, 500) AS n
        """
    )
    explain = text("EXPLAIN (COSTS OFF) " + NEWS.text)
    known = {"tenant_id": "default", "task_ids": ["task_1"], "seqs": [500], "each": 9, "total": 99}
    async with database.begin() as connection:
        await connection.execute(written)
        await connection.execute(text("ANALYZE event"))
        plan = "\n".join((await connection.execute(explain, known)).scalars())
    await database.close()
    assert "event_pkey" in plan
    assert "Seq Scan on event" not in plan
