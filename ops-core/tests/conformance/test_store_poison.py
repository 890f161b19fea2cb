"""What every store promises of tasks under which workers have died, and of dead letters."""

from contextlib import nullcontext

import pytest
from store_world import GRACE_S, TTL_S, World, postgres_clock

from ops_core.errors import NotADeadLetter
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, fail, release
from ops_core.ports import ORDINARY, Append, Lease, Profile, TaskFilter
from ops_core.store import Database, Presence, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.store.upkeep import SETTLE_S
from ops_core.task import NOTHING_USED, Reason, Status, Task, TaskError

pytestmark = pytest.mark.conformance

ALONE = Profile(alone=True)


async def _claim(world: World, worker: str, profile: Profile = ORDINARY) -> list[Task]:
    await world.workers.beat(worker, ["default"], slots=1, running=0, profile=profile)
    return await world.workers.claim(worker, ["default"], 1)


async def _dies_under(world: World, worker: str, profile: Profile = ORDINARY) -> Task:
    """A worker claims the one task and its process dies."""
    [task] = await _claim(world, worker, profile)
    world.advance(TTL_S + 1)
    assert 1 == await world.bury_killed()
    return await world.tasks.get("default", task.task_id)


async def _suspect(world: World, **fields: object) -> Task:
    await world.submit(**fields)  # type: ignore[arg-type]
    await _dies_under(world, "w1")
    return await _dies_under(world, "w2")


async def _poison(world: World) -> Task:
    await _suspect(world)
    await _dies_under(world, "w3", ALONE)
    return await _dies_under(world, "w4", ALONE)


async def test_the_death_of_a_process_counts_against_its_task(world: World) -> None:
    """Each death under a task is one more; the task goes on all the same."""
    await world.submit()
    once = await _dies_under(world, "w1")
    assert (Status.PENDING, 1) == (once.status, once.deaths)
    assert 2 == (await _dies_under(world, "w2")).deaths


async def test_a_worker_that_is_only_silent_counts_against_nobody(world: World) -> None:
    """Frozen or cut off is not dead: nothing is held against what it ran."""
    task = await world.submit()
    await _claim(world, "w1")
    world.advance(TTL_S + 1)
    assert 1 == await world.upkeep.bury_workers(10)
    assert 0 == (await world.tasks.get("default", task.task_id)).deaths


async def test_a_hand_over_counts_against_nobody(world: World) -> None:
    """A drained task comes back as it was."""
    await world.submit()
    _, lease = await world.claim_one()
    assert 0 == (await world.workers.settle(lease, release("drained"))).deaths


async def test_a_worker_that_left_with_a_task_was_not_killed_by_it(world: World) -> None:
    """A drain that could not hand everything over holds nothing against what it left."""
    task = await world.submit()
    await _claim(world, "w1")
    await world.workers.leave("w1")
    world.advance(TTL_S + 1)
    assert 1 == await world.bury_killed()
    found = await world.tasks.get("default", task.task_id)
    assert (Status.PENDING, 0) == (found.status, found.deaths)


async def test_a_finished_step_clears_a_task(world: World) -> None:
    """Deaths are counted against a step: a task that gets on is no suspect."""
    await world.submit()
    await _dies_under(world, "w1")
    task, lease = await world.claim_one("w2")
    begun = NewEvent(type=EventType.TOOL_DISPATCHED, data={})
    await world.workers.append([Append(lease, [begun], NOTHING_USED)])
    assert 1 == (await world.tasks.get("default", task.task_id)).deaths
    step = NewEvent(type=EventType.LLM_COMPLETED, data={}, journal={"path": "1/llm", "value": 1})
    await world.workers.append([Append(lease, [step], NOTHING_USED)])
    assert 0 == (await world.tasks.get("default", task.task_id)).deaths


async def test_a_suspect_is_claimed_only_by_a_worker_that_runs_alone(world: World) -> None:
    """After two deaths nobody who runs other tasks gets it, and who runs alone gets nothing else."""
    suspect = await _suspect(world)
    other = await world.submit()
    assert [other.task_id] == [task.task_id for task in await _claim(world, "w3")]
    assert [] == await _claim(world, "w4")
    assert [suspect.task_id] == [task.task_id for task in await _claim(world, "w5", ALONE)]
    assert [] == await _claim(world, "w6", ALONE)


async def test_workers_hear_of_suspects_and_are_not_rung_for_them(world: World) -> None:
    """The heartbeat tells every worker of the queue, as long as one waits."""
    await world.submit()
    await _dies_under(world, "w1")
    beat = world.workers.beat
    assert not (await beat("w2", ["default"], slots=1, running=0)).suspects
    await _dies_under(world, "w2")
    assert (await beat("w3", ["default"], slots=1, running=0)).suspects
    assert not (await beat("w4", ["other"], slots=1, running=0)).suspects
    world.advance(GRACE_S)
    await beat("w3", ["default"], slots=1, running=0)
    assert [] == await world.upkeep.take_rings(10)
    await _claim(world, "w5", ALONE)
    assert not (await beat("w3", ["default"], slots=1, running=0)).suspects


async def test_a_worker_hears_only_of_suspects_that_it_could_run(world: World) -> None:
    """Else it would start, again and again, a process that finds nothing."""
    old = Profile(pins={"noop": ["agent@1"]}, supports=frozenset({"agent@1"}))
    new = Profile(pins={"noop": ["agent@2"]}, supports=frozenset({"agent@2"}))
    await world.submit()
    for worker in ("w1", "w2"):
        await _dies_under(world, worker, old)
    beat = world.workers.beat
    assert not (await beat("w3", ["default"], slots=1, running=0, profile=new)).suspects
    assert (await beat("w4", ["default"], slots=1, running=0, profile=old)).suspects


async def test_a_task_that_kills_who_runs_nothing_else_twice_is_poison(world: World) -> None:
    """One death alone may be the machine's; with the second the task fails, for an operator to look at."""
    suspect = await _suspect(world)
    alone_once = await _dies_under(world, "w3", ALONE)
    assert (Status.PENDING, 3) == (alone_once.status, alone_once.deaths)
    poison = await _dies_under(world, "w4", ALONE)
    assert (Status.FAILED, Reason.POISON, 4) == (poison.status, poison.reason, poison.deaths)
    assert poison.error is not None
    assert "poison" == poison.error.type
    assert poison.dead_letter_at is not None
    page = await world.tasks.page("default", TaskFilter(dead_letter=True), limit=10, cursor=None)
    assert [suspect.task_id] == [task.task_id for task in page.tasks]


async def test_silence_of_who_runs_alone_convicts_nobody(world: World) -> None:
    """A solitary worker that froze, or was fenced, is no death either."""
    task = await _suspect(world)
    for worker in ("w3", "w4", "w5"):
        await _claim(world, worker, ALONE)
        world.advance(TTL_S + 1)
        assert 1 == await world.upkeep.bury_workers(10)
    found = await world.tasks.get("default", task.task_id)
    assert (Status.PENDING, 2) == (found.status, found.deaths)


async def test_an_innocent_suspect_completes_alone(world: World) -> None:
    """Who only met a poison runs alone, ends as it should, and is no dead letter."""
    await _suspect(world)
    [task] = await _claim(world, "w3", ALONE)
    lease = Lease(task.tenant_id, task.task_id, "w3", task.epoch)
    done = await world.workers.settle(lease, complete({}))
    assert (Status.COMPLETED, None) == (done.status, done.dead_letter_at)


async def test_a_cancel_that_was_accepted_comes_before_a_conviction(world: World) -> None:
    """The client who asked for it gets what it was told."""
    await _suspect(world)
    await _dies_under(world, "w3", ALONE)
    [task] = await _claim(world, "w4", ALONE)
    await world.tasks.cancel("default", task.task_id)
    world.advance(TTL_S + 1)
    assert 1 == await world.bury_killed()
    assert Status.CANCELLED == (await world.tasks.get("default", task.task_id)).status


async def test_the_retry_of_a_poison_begins_with_a_clean_record(world: World) -> None:
    """An operator who mended the cause gets a task like any other one."""
    poison = await _poison(world)
    again = await world.tasks.retry("default", poison.task_id)
    assert (Status.PENDING, 0, None) == (again.status, again.deaths, again.dead_letter_at)
    assert [poison.task_id] == [task.task_id for task in await _claim(world, "w5")]


async def test_a_discarded_dead_letter_is_off_the_list(world: World) -> None:
    """It stays failed, and may be pruned; it cannot be discarded twice."""
    poison = await _poison(world)
    discarded = await world.tasks.discard("default", poison.task_id)
    assert (Status.FAILED, None) == (discarded.status, discarded.dead_letter_at)
    with pytest.raises(NotADeadLetter):
        await world.tasks.discard("default", poison.task_id)


@pytest.mark.parametrize("dead_letter", [True, False])
async def test_a_failure_that_somebody_should_look_at_is_a_dead_letter(
    world: World, dead_letter: bool
) -> None:
    """Whether it is one is the move's to say, and retry takes it off the list."""
    await world.submit()
    _, lease = await world.claim_one()
    move = fail(TaskError(type="x", message="y"), dead_letter=dead_letter)
    failed = await world.workers.settle(lease, move)
    assert dead_letter == (failed.dead_letter_at is not None)
    page = await world.tasks.page("default", TaskFilter(dead_letter=True), limit=10, cursor=None)
    assert dead_letter == bool(page.tasks)
    again = await world.tasks.retry("default", lease.task_id)
    assert again.dead_letter_at is None


@pytest.mark.parametrize("frozen", [True, False])
async def test_the_lock_tells_a_frozen_process_from_a_dead_one(
    database_url: str, frozen: bool
) -> None:
    """Both are silent for longer than the time-to-live and lose their tasks; only a death counts."""
    database, presence = Database(database_url), Presence(database_url)
    upkeep = SqlUpkeepStore(database, heartbeat_ttl_s=TTL_S, reconnect_grace_s=0.75)
    advance = postgres_clock(database)
    world = World(
        SqlTaskStore(database),
        SqlWorkerStore(database, presence),
        upkeep,
        advance,
        lambda: upkeep.bury_workers(10),
    )
    # A server that has just started judges nobody.
    advance(SETTLE_S)
    task = await world.submit()
    async with presence.held("w1") if frozen else nullcontext():
        await _claim(world, "w1")
        advance(1)
        assert (0 if frozen else 1) == await world.bury_killed()
        advance(TTL_S)
        assert (1 if frozen else 0) == await world.bury_killed()
    found = await world.tasks.get("default", task.task_id)
    await database.close()
    assert (Status.PENDING, 0 if frozen else 1) == (found.status, found.deaths)
