"""What every store promises a schedule: one task a firing, whoever carries it out, however often."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from schedule_world import TYPES, ScheduleWorld
from store_world import postgres_clock
from structlog.testing import capture_logs

from ops_core.admission import AdmissionLimits
from ops_core.errors import (
    InvalidRequest,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
    StoreUnavailable,
    ThreadBusy,
    TooManyTasks,
)
from ops_core.family import DEFAULT_FAMILY_LIMITS
from ops_core.identity.audit import AuditEntry, change_of
from ops_core.moves import fail
from ops_core.ports import TaskFilter, TaskType
from ops_core.principal import EVERYBODY
from ops_core.schedules.firing import DueSchedules
from ops_core.schedules.model import Outcome, Schedule
from ops_core.schedules.plan import MAX_QUEUED
from ops_core.schedules.request import ScheduleChange
from ops_core.schedules.template import prepared
from ops_core.service import TaskService
from ops_core.store import (
    Database,
    SqlDueStore,
    SqlScheduleStore,
    SqlTaskStore,
    SqlTenantStore,
    SqlWorkerStore,
)
from ops_core.store.submit import submit
from ops_core.task import NewTask, Reason, Status, TaskError
from ops_core.testing import FrozenClock, MemorySchedules, MemoryStore

pytestmark = pytest.mark.conformance


#: One tenant is held to one task.
ADMISSION = AdmissionLimits(tenants={"held": 1})


@pytest.fixture(params=["memory", "postgres"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[ScheduleWorld]:
    if request.param == "memory":
        clock = FrozenClock()
        store = MemoryStore(clock, admission=ADMISSION)
        schedules = MemorySchedules(store, clock)

        async def close(tenant_id: str) -> None:
            schedules.disabled.add(tenant_id)

        async def open_(tenant_id: str) -> None:
            schedules.disabled.remove(tenant_id)

        yield ScheduleWorld(store, store, schedules, schedules, clock.advance, close, open_)
        return
    database = Database(request.getfixturevalue("database_url"), pool_size=5)
    tenants = SqlTenantStore(database)

    async def disable(tenant_id: str) -> None:
        await tenants.disable(tenant_id, line("disable_tenant", tenant_id))

    async def enable(tenant_id: str) -> None:
        await tenants.enable(tenant_id, line("enable_tenant", tenant_id))

    yield ScheduleWorld(
        SqlTaskStore(database, admission=ADMISSION),
        SqlWorkerStore(database),
        SqlScheduleStore(database, admission=ADMISSION),
        SqlDueStore(database, admission=ADMISSION),
        postgres_clock(database),
        disable,
        enable,
    )
    await database.close()


def line(action: str, tenant_id: str) -> AuditEntry:
    return change_of(EVERYBODY, action, tenant_id, "r")


async def count(world: ScheduleWorld) -> int:
    return (await world.tasks.page("default", TaskFilter(), limit=1, cursor=None)).total


async def test_a_schedule_is_stored_as_it_was_asked_for(world: ScheduleWorld) -> None:
    """With its first firing, counted from the store's clock."""
    made = await world.create(
        cron="30 7 * * mon-fri", time_zone="Europe/Berlin", labels={"team": "a"}, jitter_s=5
    )
    assert made == await world.again(made)
    assert ("30 7 * * mon-fri", "Europe/Berlin", {"team": "a"}, "me") == (
        made.spec.cron,
        made.spec.time_zone,
        made.spec.labels,
        made.created_by,
    )
    assert made.next_fire_at is not None
    assert made.created_at < made.next_fire_at <= made.created_at + timedelta(days=4)


async def test_nothing_is_due_before_its_time(world: ScheduleWorld) -> None:
    """A dispatcher that looks too early finds nothing, and makes no task."""
    made = await world.create(every_s=60)
    assert 0 == await world.passed(30)
    assert [] == await world.outcomes(made)


async def test_a_firing_is_a_task_from_the_template(world: ScheduleWorld) -> None:
    """Pending, with the history and the next time written with it."""
    made = await world.create(task={"task_type": "noop", "name": "n", "input_data": {"a": 1}})
    assert 1 == await world.passed(61)
    after = await world.again(made)
    [firing] = await world.history(made)
    task = await world.task(firing.task_id)
    assert (Status.PENDING, "n", {"a": 1}) == (task.status, task.name, task.input_data)
    assert (Outcome.TASK, made.next_fire_at) == (firing.outcome, firing.fire_at)
    assert after.last_task_id == task.task_id
    assert after.next_fire_at == firing.fire_at + timedelta(seconds=60)


async def test_a_schedule_that_was_seen_twice_fires_once(world: ScheduleWorld) -> None:
    """A dispatcher that repeats a firing (its COMMIT was answered by nobody) stores nothing more."""
    await world.create(overlap="allow")
    world.advance(61)
    [seen] = await world.due.due(10)
    new = await prepared(world.service(), seen.spec.task, tenant_id="default")
    assert 1 == await world.due.fire(seen, new)
    assert 0 == await world.due.fire(seen, new)
    assert not await world.due.fail(seen, "late")
    assert 1 == await count(world)


async def test_three_dispatchers_make_one_task_a_firing(world: ScheduleWorld) -> None:
    """1,000 firings of 5 schedules, carried out by three at once, are 1,000 tasks."""
    start = await world.store.now() + timedelta(seconds=10)
    made = [
        await world.create(
            name=str(n),
            every_s=1,
            overlap="allow",
            missed="run_all",
            start_at=start,
            end_at=start + timedelta(seconds=199),
        )
        for n in range(5)
    ]
    world.advance(300)
    dispatchers = [world.dispatcher() for _ in range(3)]

    async def work(which: int) -> int:
        done = 0
        while await world.due.due(1):
            done += await dispatchers[which].run()
        return done

    assert 1000 == sum(await asyncio.gather(*(work(n) for n in range(3))))
    assert 1000 == await count(world)
    for each in made:
        times = [firing.fire_at for firing in await world.history(each)]
        assert [start + timedelta(seconds=n) for n in range(200)] == times


async def test_a_skipping_schedule_waits_for_its_last_task(world: ScheduleWorld) -> None:
    """A firing while it is under way makes no task; the one after its end does."""
    made = await world.create(overlap="skip")
    await world.passed(61)
    await world.passed(60)
    assert ["task", "skipped"] == await world.outcomes(made)
    await world.end((await world.again(made)).last_task_id)
    await world.passed(60)
    assert ["task", "skipped", "task"] == await world.outcomes(made)


async def test_an_allowing_schedule_waits_for_nobody(world: ScheduleWorld) -> None:
    """Its tasks run beside each other."""
    made = await world.create(overlap="allow")
    await world.passed(61)
    await world.passed(60)
    assert ["task", "task"] == await world.outcomes(made)


async def test_a_queueing_schedule_goes_on_when_the_last_task_ended(world: ScheduleWorld) -> None:
    """However it ended: one of the waiting firings at a time, the oldest first."""
    made = await world.create(overlap="queue")
    await world.passed(61)
    await world.passed(60)
    await world.passed(60)
    assert ["task", "queued", "queued"] == await world.outcomes(made)
    assert 0 == await world.dispatcher().run()
    error = TaskError(type="x", message="No.")
    await world.end((await world.again(made)).last_task_id, fail(error))
    assert 1 == await world.dispatcher().run()
    assert ["task", "task", "queued"] == await world.outcomes(made)
    assert 1 == (await world.again(made)).queued


async def test_a_queue_of_firings_has_an_end(world: ScheduleWorld) -> None:
    """Beyond it they are skipped, and the history says why."""
    made = await world.create(every_s=1, overlap="queue", missed="run_all")
    world.advance(MAX_QUEUED + 2.5)
    while await world.due.due(1):
        await world.dispatcher().run()
        if (await world.again(made)).firings > MAX_QUEUED + 1:
            break
    history = await world.history(made)
    assert (Outcome.TASK, Outcome.SKIPPED) == (history[0].outcome, history[-1].outcome)
    assert f"{MAX_QUEUED} firings were waiting already" == history[-1].reason
    assert MAX_QUEUED == (await world.again(made)).queued


@pytest.mark.parametrize("world", ["postgres"], indirect=True)
async def test_each_task_of_a_schedule_is_a_transaction(
    world: ScheduleWorld, database_url: str
) -> None:
    """What the first holds is free while the second waits: two such could wait for each other."""
    made = await world.create(overlap="allow", missed="run_all")
    first = made.next_fire_at
    assert first is not None
    key = f"schedule:{made.schedule_id}:{(first + timedelta(seconds=60)).isoformat()}"
    new = NewTask(
        task_id="x", tenant_id="default", task_type="noop", input_data={}, idempotency_key=key
    )
    world.advance(121)
    somebody = Database(database_url, pool_size=1)
    async with asyncio.timeout(10):
        async with somebody.begin() as connection:
            await submit(connection, new, ring_grace_s=5.0, limits=DEFAULT_FAMILY_LIMITS)
            running = asyncio.create_task(world.dispatcher().run())
            while not await count(world):
                assert not running.done()
            await connection.rollback()
        assert 2 == await running
    assert ["task", "task"] == await world.outcomes(made)
    await somebody.close()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("skip", ["missed", "task"]),
        ("run_once", ["missed", "task", "task"]),
        ("run_all", ["task", "task", "task", "task"]),
    ],
)
async def test_missed_firings_are_made_up_for_by_policy(
    world: ScheduleWorld, policy: str, expected: list[str]
) -> None:
    """Four firings with nobody there, the last of them seconds ago: that one is on time."""
    made = await world.create(every_s=600, overlap="allow", missed=policy)
    await world.passed(2405)
    assert expected == await world.outcomes(made)
    assert 0 == await world.dispatcher().run()


async def test_what_is_older_than_the_window_is_lost(world: ScheduleWorld) -> None:
    """One entry stands for all of it, however much that is."""
    made = await world.create(every_s=60, overlap="allow", missed="run_all", catchup_window_s=150)
    await world.passed(86_405)
    assert ["missed", "task", "task", "task"] == await world.outcomes(made)
    [lost, first, *_] = await world.history(made)
    assert lost.fire_at + timedelta(seconds=60) == first.fire_at


async def test_jitter_delays_the_task_and_not_the_calendar(world: ScheduleWorld) -> None:
    """The same firing is always delayed by the same time, within the bound."""
    made = await world.create(jitter_s=30)
    await world.passed(61)
    [firing] = await world.history(made)
    task = await world.task(firing.task_id)
    assert made.next_fire_at == firing.fire_at
    assert task.scheduled_at is not None
    assert timedelta() < task.scheduled_at - firing.fire_at < timedelta(seconds=30)


async def test_a_paused_schedule_does_not_fire(world: ScheduleWorld) -> None:
    """And what would have fired is not made up for when it goes on."""
    made = await world.create()
    paused = await world.store.pause("default", made.schedule_id, "holidays")
    assert ("holidays", None) == (paused.paused_reason, paused.next_fire_at)
    assert 0 == await world.passed(3605)
    resumed = await world.store.resume("default", made.schedule_id)
    assert (None, None) == (resumed.paused_at, resumed.paused_reason)
    assert 0 == await world.dispatcher().run()
    assert 1 == await world.passed(60)
    assert ["task"] == await world.outcomes(made)


async def test_a_template_that_is_good_no_more_pauses_the_schedule(world: ScheduleWorld) -> None:
    """With a failed firing that says why; it is not due again, and others go on."""
    made = await world.create()
    other = await world.create(name="other", task={"task_type": "noop", "name": "x"})
    world.advance(61)
    [seen] = [each for each in await world.due.due(10) if each.schedule_id == made.schedule_id]
    assert await world.due.fail(seen, "task.agent: is unknown")
    assert 1 == await world.dispatcher().run()
    assert ["task"] == await world.outcomes(other)
    [firing] = await world.history(made)
    assert (Outcome.FAILED, "task.agent: is unknown") == (firing.outcome, firing.reason)
    assert "task.agent: is unknown" == (await world.again(made)).paused_reason
    assert [] == await world.due.due(10)


async def test_the_dispatcher_pauses_what_it_cannot_submit(world: ScheduleWorld) -> None:
    """A task type that this build does not know is the reason, by its name."""
    made = await world.create()
    world.advance(61)
    assert 1 == await world.dispatcher({"else": TaskType(name="else", input_schema={})}).run()
    reason = (await world.again(made)).paused_reason or ""
    assert reason.startswith("task.task_type: is unknown")
    assert 0 == await world.dispatcher().run()


async def test_a_fault_of_ours_pauses_its_schedule_alone(world: ScheduleWorld) -> None:
    """Nothing of what it said reaches the client, and it is not met again at every pass."""

    class Broken(TaskService):
        async def prepare(self, *_: object, **__: object) -> NewTask:
            raise ZeroDivisionError("secret")

    made = await world.create()
    world.advance(61)
    broken = Broken(world.tasks, TYPES, lambda _queue, _task_id: None)
    with capture_logs():
        assert 1 == await DueSchedules(world.due, broken).run()
    reason = (await world.again(made)).paused_reason
    assert "a fault of the server; its log has the reason" == reason
    assert 0 == await world.dispatcher().run()


async def test_a_firing_without_room_is_skipped(world: ScheduleWorld) -> None:
    """The schedule is not paused for it, and says why; the next firing that finds room has its task."""
    made = await world.create_for("held", overlap="allow")
    assert [1, 1] == [await world.passed(60), await world.passed(60)]
    taken, refused = await world.history(made)
    assert (Outcome.TASK, Outcome.SKIPPED, None) == (
        taken.outcome,
        refused.outcome,
        refused.task_id,
    )
    assert str(TooManyTasks(1)) == refused.reason
    assert (None, 2) == ((now := await world.again(made)).paused_at, now.firings)
    assert taken.task_id == now.last_task_id
    await world.tasks.cancel("held", taken.task_id or "")
    assert 1 == await world.passed(60)
    assert ["task", "skipped", "task"] == await world.outcomes(made)


async def test_a_firing_that_waited_and_finds_no_room_waits_on(world: ScheduleWorld) -> None:
    """It was promised a task; those that come meanwhile wait behind it."""
    made = await world.create_for("held", overlap="queue")
    await world.passed(60)
    await world.passed(60)
    assert ["task", "queued"] == await world.outcomes(made)
    await world.tasks.cancel("held", (await world.again(made)).last_task_id or "")
    other = NewTask(task_id="other", tenant_id="held", task_type="noop", input_data={})
    await world.tasks.submit(other)
    assert 0 == await world.dispatcher().run()
    assert ["task", "queued"] == await world.outcomes(made)
    assert 1 == await world.passed(60)
    assert ["task", "queued", "queued"] == await world.outcomes(made)
    await world.tasks.cancel("held", "other")
    assert 1 == await world.dispatcher().run()
    assert ["task", "task", "queued"] == await world.outcomes(made)
    assert (1, None) == ((now := await world.again(made)).queued, now.paused_at)


async def test_a_schedule_without_room_is_not_tried_in_every_pass(world: ScheduleWorld) -> None:
    """It rests for a second, and other schedules do not."""
    made = await world.create_for("held", overlap="queue")
    for _ in range(2):
        await world.passed(60)
    await world.tasks.cancel("held", (await world.again(made)).last_task_id or "")
    await world.tasks.submit(
        NewTask(task_id="other", tenant_id="held", task_type="noop", input_data={})
    )
    seconds = [0.0]
    dispatcher = DueSchedules(world.due, world.service(), clock=lambda: seconds[0])
    assert 0 == await dispatcher.run()
    await world.tasks.cancel("held", "other")
    await world.create(name="other")
    world.advance(60.5)
    assert 1 == await dispatcher.run()
    seconds[0] = 1.1
    assert 2 == await dispatcher.run()


async def test_a_schedule_that_is_held_up_lets_the_others_pass(world: ScheduleWorld) -> None:
    """It waited for a lock in vain, and rests; when every schedule does, the store is away."""
    first, second = await world.create(name="a"), await world.create(name="b")
    held = {first.schedule_id}
    seconds = [0.0]

    class HeldUp:
        async def due(self, limit: int) -> Sequence[Schedule]:
            return sorted(await world.due.due(limit), key=lambda each: each.spec.name)

        async def fire(self, seen: Schedule, template: NewTask) -> int:
            if seen.schedule_id in held:
                raise StoreUnavailable("canceling statement due to lock timeout")
            return await world.due.fire(seen, template)

        async def fail(self, seen: Schedule, reason: str) -> bool:
            raise AssertionError(reason)

    dispatcher = DueSchedules(HeldUp(), world.service(), clock=lambda: seconds[0])
    world.advance(61)
    with capture_logs() as said:
        assert [1, 0] == [await dispatcher.run(), await dispatcher.run()]
    assert [first.schedule_id] == [line["schedule_id"] for line in said]
    held.clear()
    seconds[0] = 11.0
    assert 1 == await dispatcher.run()
    held.update({first.schedule_id, second.schedule_id})
    world.advance(60)
    with capture_logs(), pytest.raises(StoreUnavailable):
        await dispatcher.run()


async def test_a_firing_whose_thread_is_busy_is_skipped(world: ScheduleWorld) -> None:
    """Nothing of it is stored, the schedule goes on, and the next firing finds the thread free."""
    task = {"task_type": "noop", "thread_id": "t", "on_busy": "reject"}
    made = await world.create(overlap="allow", task=task)
    assert [1, 1] == [await world.passed(60), await world.passed(60)]
    taken, refused = await world.history(made)
    assert (Outcome.SKIPPED, str(ThreadBusy("t", 1))) == (refused.outcome, refused.reason)
    assert (1, None) == (await count(world), (await world.again(made)).paused_at)
    await world.tasks.cancel("default", taken.task_id or "")
    assert 1 == await world.passed(60)
    assert ["task", "skipped", "task"] == await world.outcomes(made)


async def test_a_person_who_asks_for_a_task_is_told_that_there_is_no_room(
    world: ScheduleWorld,
) -> None:
    """As for a submit; nothing is recorded."""
    made = await world.create_for("held")
    await world.schedules.trigger(made.schedule_id, tenant_id="held")
    with pytest.raises(TooManyTasks):
        await world.schedules.trigger(made.schedule_id, tenant_id="held")
    assert ["task"] == await world.outcomes(made)


async def test_a_person_can_ask_for_a_task_now(world: ScheduleWorld) -> None:
    """Whatever the policies say; the same key is the same task; the calendar stays as it is."""
    made = await world.create()
    await world.store.pause("default", made.schedule_id, None)
    service = world.schedules
    first = await service.trigger(made.schedule_id, tenant_id="default", idempotency_key="k")
    again = await service.trigger(made.schedule_id, tenant_id="default", idempotency_key="k")
    other = await service.trigger(made.schedule_id, tenant_id="default")
    assert (True, False, True) == (first.created, again.created, other.created)
    assert first.task.task_id == again.task.task_id != other.task.task_id
    assert Reason.QUEUED == first.task.reason
    assert [True, True] == [firing.is_manual for firing in await world.history(made)]
    after = await world.again(made)
    assert (None, other.task.task_id) == (after.last_fired_at, after.last_task_id)


async def test_a_change_counts_from_now(world: ScheduleWorld) -> None:
    """What is left out stays; the next firing is that of the new rhythm."""
    made = await world.create(labels={"a": "b"})
    change = ScheduleChange(cron="0 0 1 1 *", every_s=None)
    changed = await world.schedules.change(made.schedule_id, change, tenant_id="default")
    assert ("0 0 1 1 *", None, {"a": "b"}) == (
        changed.spec.cron,
        changed.spec.every_s,
        changed.spec.labels,
    )
    assert changed == await world.again(made)
    assert 0 == await world.passed(61)


async def test_a_change_of_an_older_schedule_is_refused(world: ScheduleWorld) -> None:
    """Who changes what he has not seen is told to read it again; a firing is no change."""
    made = await world.create()
    await world.passed(61)
    await world.store.change(made, replace(made.spec, labels={"n": "1"}))
    with pytest.raises(ScheduleChanged):
        await world.store.change(made, replace(made.spec, labels={"n": "2"}))


async def test_a_name_is_taken_once(world: ScheduleWorld) -> None:
    """By a new schedule as by a change; another tenant's names are its own."""
    made = await world.create()
    other = await world.create(name="other")
    with pytest.raises(ScheduleExists, match="'s'"):
        await world.create()
    with pytest.raises(ScheduleExists, match="'s'"):
        await world.store.change(other, replace(other.spec, name="s"))
    theirs = await world.store.create("acme", made.spec, by="them")
    assert "acme" == theirs.tenant_id


async def test_no_tenant_sees_the_schedules_of_another(world: ScheduleWorld) -> None:
    """Each call answers as if there were none."""
    made = await world.create()
    new = await prepared(world.service(), made.spec.task, tenant_id="acme")
    for call in (
        world.store.get("acme", made.schedule_id),
        world.store.pause("acme", made.schedule_id, None),
        world.store.resume("acme", made.schedule_id),
        world.store.delete("acme", made.schedule_id),
        world.store.firings("acme", made.schedule_id, limit=1, cursor=None),
        world.store.trigger("acme", made.schedule_id, new, key=None),
        world.store.change(replace(made, tenant_id="acme"), made.spec),
    ):
        with pytest.raises(ScheduleNotFound):
            await call
    assert 0 == (await world.store.page("acme", limit=10, cursor=None)).total


async def test_a_deleted_schedule_leaves_its_tasks(world: ScheduleWorld) -> None:
    """It never fires again, and its name is free."""
    made = await world.create()
    await world.passed(61)
    await world.store.delete("default", made.schedule_id)
    assert 0 == await world.passed(60)
    assert 1 == await count(world)
    assert [] == await world.outcomes(await world.create())


async def test_pages_are_newest_first_and_whole(world: ScheduleWorld) -> None:
    """Of schedules and of firings alike; a cursor from elsewhere is refused."""
    names = ["a", "b", "c"]
    for name in names:
        await world.create(name=name, overlap="allow")
        world.advance(1)
    first = await world.store.page("default", limit=2, cursor=None)
    last = await world.store.page("default", limit=2, cursor=first.next_cursor)
    shown = [each.spec.name for each in [*first.schedules, *last.schedules]]
    assert (names[::-1], 3, None) == (shown, first.total, last.next_cursor)
    made = first.schedules[0]
    for _ in range(3):
        await world.passed(60)
    head = await world.store.firings("default", made.schedule_id, limit=2, cursor=None)
    tail = await world.store.firings("default", made.schedule_id, limit=2, cursor=head.next_cursor)
    assert [3, 2, 1] == [firing.number for firing in [*head.firings, *tail.firings]]
    with pytest.raises(InvalidRequest):
        await world.store.page("default", limit=2, cursor="x")
    with pytest.raises(InvalidRequest):
        await world.store.firings("default", made.schedule_id, limit=2, cursor="x")


async def test_an_end_is_the_end(world: ScheduleWorld) -> None:
    """After `end_at` there is no next firing."""
    now = await world.store.now()
    made = await world.create(end_at=now + timedelta(seconds=90))
    await world.passed(61)
    assert (await world.again(made)).next_fire_at is None
    assert 0 == await world.passed(600)
    assert ["task"] == await world.outcomes(made)


async def test_the_schedules_of_a_disabled_tenant_stand_still(world: ScheduleWorld) -> None:
    """Neither what is due nor what is queued is submitted; once it is enabled, its own rules go on."""
    due = await world.create(missed="run_once")
    queue = await world.create(name="q", overlap="queue", missed="skip")
    assert 2 == await world.passed(61)
    assert 2 == await world.passed(60)
    first = (await world.again(queue)).last_task_id
    await world.end(first)
    await world.close("default")
    assert 0 == await world.passed(3600)
    await world.open("default")
    assert 0 < await world.passed(0)
    assert ["task", "skipped"] == (await world.outcomes(due))[:2]
    assert first != (await world.again(queue)).last_task_id
