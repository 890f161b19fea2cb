"""What every store promises of threads: their tasks run one after another, whoever submits them."""

import asyncio
from typing import Any

import pytest
from store_world import World

from ops_core.errors import (
    InvalidRequest,
    TaskNotEnded,
    ThreadArchived,
    ThreadBusy,
    ThreadExists,
    ThreadNotFound,
)
from ops_core.moves import cancel, complete, fail
from ops_core.task import Reason, Status, Task, TaskError
from ops_core.threads import NewThread, OnBusy

pytestmark = pytest.mark.conformance

FAILED = fail(TaskError(type="broken", message="It broke."))


async def say(world: World, words: str, thread_id: str = "t", **fields: Any) -> Task:
    """The next task of the thread."""
    return await world.submit(thread_id=thread_id, input_data={"goal": words}, **fields)


async def ran(world: World, words: str, **fields: Any) -> Task:
    """A task of the thread that has completed, and whose end was told."""
    task = await say(world, words, **fields)
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({"output": words.upper()}))
    await world.upkeep.tell_ends(10)
    return task


async def claimed(world: World) -> list[str]:
    return [task.task_id for task in await world.claim(count=100)]


async def messages(world: World, thread_id: str = "t") -> list[tuple[int, str]]:
    found = await world.threads.messages("default", thread_id, after=0, limit=200)
    return [(message.seq, message.task_id) for message in found]


async def test_a_thread_begins_with_the_first_task_that_names_it(world: World) -> None:
    """Its tasks have numbers of their own, in the order in which they came."""
    first, second = await say(world, "a"), await say(world, "b")
    thread = await world.threads.get("default", "t")
    assert (2, OnBusy.ENQUEUE, None) == (thread.last_seq, thread.on_busy, thread.name)
    assert [(1, first.task_id), (2, second.task_id)] == await messages(world)


@pytest.mark.parametrize(
    "end", [complete({}), FAILED, cancel()], ids=["completed", "failed", "cancelled"]
)
async def test_a_task_runs_when_the_one_before_it_has_ended(world: World, end: Any) -> None:
    """However that ended."""
    await say(world, "a")
    second = await say(world, "b")
    assert (Status.PENDING, Reason.DELAYED) == (second.status, second.reason)
    _, lease = await world.claim_one()
    assert [] == await claimed(world)
    await world.workers.settle(lease, end)
    assert [] == await claimed(world)
    assert 1 == await world.upkeep.tell_ends(10)
    assert [second.task_id] == await claimed(world)


async def test_a_cancelled_task_lets_no_one_past_those_before_it(world: World) -> None:
    """The third waits for the first, not only for the second."""
    await say(world, "a")
    second, third = await say(world, "b"), await say(world, "c")
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", second.task_id)
    await world.upkeep.tell_ends(10)
    assert [] == await claimed(world)
    await world.workers.settle(lease, complete({}))
    await world.upkeep.tell_ends(10)
    assert [third.task_id] == await claimed(world)


async def test_threads_do_not_wait_for_each_other(world: World) -> None:
    """Nor do tenants whose threads have one name."""
    tasks = [
        await say(world, "a"),
        await say(world, "b", thread_id="u"),
        await say(world, "c", tenant_id="other"),
    ]
    assert {task.task_id for task in tasks} == set(await claimed(world))


async def test_fifty_who_speak_at_once_are_heard_one_after_another(world: World) -> None:
    """Every one is stored, and never do two of them run; of those before it a task hears of the last."""
    said = await asyncio.gather(*(say(world, f"{n}") for n in range(50)))
    order = [task_id for _, task_id in await messages(world)]
    assert {task.task_id for task in said} == set(order)
    for expected in order[:4]:
        task, lease = await world.claim_one()
        assert (expected, []) == (task.task_id, await world.claim())
        await world.workers.settle(lease, complete({}))
        await world.upkeep.tell_ends(10)
    log = await world.tasks.log("default", order[4])
    told = [event.data for event in log if event.type == "dependency.finished"]
    assert [{"task_id": order[3], "left": 0}] == told


async def test_of_many_at_once_a_thread_that_rejects_takes_one(world: World) -> None:
    """The others are told, and nothing of them is stored."""
    says = [say(world, f"{n}", on_busy="reject") for n in range(20)]
    found = await asyncio.gather(*says, return_exceptions=True)
    tasks = [each for each in found if isinstance(each, Task)]
    assert (1, 19) == (len(tasks), sum(isinstance(each, ThreadBusy) for each in found))
    assert [(1, tasks[0].task_id)] == await messages(world)


async def test_an_idempotent_repeat_is_no_second_message(world: World) -> None:
    """The task that a key stands for is returned, although its thread is busy with it."""
    key = {"idempotency_key": "k", "request_hash": "h", "on_busy": "reject"}
    first = await say(world, "a", **key)
    assert first.task_id == (await say(world, "a", **key)).task_id
    assert [(1, first.task_id)] == await messages(world)


async def test_a_refused_task_leaves_its_key_free(world: World) -> None:
    """Sent again when the thread is free, it is stored."""
    await say(world, "a")
    key = {"idempotency_key": "k", "request_hash": "h", "on_busy": "reject"}
    with pytest.raises(ThreadBusy):
        await say(world, "b", **key)
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    assert Status.PENDING is (await say(world, "b", **key)).status


async def test_an_interruption_cancels_what_waits_and_runs_at_once(world: World) -> None:
    """Nobody runs those: they are over now, and their logs say why."""
    first, second = await say(world, "a"), await say(world, "b")
    third = await say(world, "c", on_busy="interrupt")
    for task in (first, second):
        assert Status.CANCELLED is (await world.tasks.get("default", task.task_id)).status
        log = await world.tasks.log("default", task.task_id)
        assert ("task.cancelled", {"why": "interrupted"}) == (log[-1].type, log[-1].data)
    await world.upkeep.tell_ends(10)
    assert [third.task_id] == await claimed(world)


async def test_an_interruption_waits_until_what_runs_has_stopped(world: World) -> None:
    """The worker is asked to stop; only when it has does the next one run."""
    first = await say(world, "a")
    _, lease = await world.claim_one()
    second = await say(world, "b", on_busy="interrupt")
    assert [] == await claimed(world)
    orders = await world.workers.beat("w1", ["default"], slots=10, running=1)
    assert {first.task_id} == orders.cancelled
    await world.workers.settle(lease, cancel())
    await world.upkeep.tell_ends(10)
    assert [second.task_id] == await claimed(world)


async def test_a_worker_that_dies_while_it_is_interrupted_holds_nobody(world: World) -> None:
    """The dispatcher cancels its task, and the next one runs elsewhere."""
    await say(world, "a")
    await world.claim_one("dies")
    second = await say(world, "b", on_busy="interrupt")
    world.advance(60)
    assert 1 == await world.upkeep.bury_workers(10)
    await world.upkeep.tell_ends(10)
    task, _ = await world.claim_one("lives")
    assert second.task_id == task.task_id


async def test_a_thread_says_what_becomes_of_its_tasks(world: World) -> None:
    """Unless a task says it itself."""
    await world.threads.create(
        NewThread(tenant_id="default", thread_id="t", name="Talk", on_busy=OnBusy.REJECT)
    )
    await say(world, "a")
    with pytest.raises(ThreadBusy):
        await say(world, "b")
    assert Reason.DELAYED == (await say(world, "c", on_busy="enqueue")).reason
    assert "Talk" == (await world.threads.get("default", "t")).name


async def test_a_retry_in_a_busy_thread_is_refused(world: World) -> None:
    """Two tasks of it would run; when the other has ended it is taken."""
    first, second = await say(world, "a"), await say(world, "b")
    await world.tasks.cancel("default", first.task_id)
    await world.upkeep.tell_ends(10)
    with pytest.raises(ThreadBusy):
        await world.tasks.retry("default", first.task_id)
    with pytest.raises(TaskNotEnded):
        await world.tasks.retry("default", second.task_id)
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    assert 2 == (await world.tasks.retry("default", first.task_id)).generation


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_a_task_that_was_cancelled_while_it_waited_runs_when_it_is_retried(
    world: World, is_told_first: bool
) -> None:
    """What it waited for has ended since, in failure even; whether that was told before or after."""
    await say(world, "a")
    second = await say(world, "b")
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", second.task_id)
    await world.workers.settle(lease, FAILED)
    if is_told_first:
        await world.upkeep.tell_ends(10)
    await world.tasks.retry("default", second.task_id)
    await world.upkeep.tell_ends(10)
    assert [second.task_id] == await claimed(world)


async def test_a_worker_reads_what_was_said_before(world: World) -> None:
    """The tasks that ended before this one, in order, the last ones when they are many."""
    await ran(world, "a")
    await ran(world, "b")
    await say(world, "c")
    last = await say(world, "d", on_busy="interrupt")
    await world.upkeep.tell_ends(10)
    task, lease = await world.claim_one()
    assert last.task_id == task.task_id
    later = await say(world, "e")
    await world.tasks.cancel("default", later.task_id)
    found = await world.workers.earlier(lease, 10)
    assert [
        ("a", Status.COMPLETED, "A"),
        ("b", Status.COMPLETED, "B"),
        ("c", Status.CANCELLED, None),
    ] == [(e.input_data["goal"], e.status, (e.result or {}).get("output")) for e in found]
    assert found[-2:] == await world.workers.earlier(lease, 2)


async def test_a_task_without_a_thread_has_nothing_before_it(world: World) -> None:
    """Whatever other tasks have said."""
    await ran(world, "a")
    await world.submit()
    _, lease = await world.claim_one()
    assert [] == await world.workers.earlier(lease, 10)


async def test_a_fork_goes_on_from_a_message(world: World) -> None:
    """It shares what was said up to there, and says the rest for itself."""
    first, _ = await ran(world, "a"), await ran(world, "b")
    fork = await world.threads.fork("t", 1, NewThread(tenant_id="default", thread_id="f"))
    assert (1, {"thread_id": "t", "seq": 1}) == (fork.last_seq, fork.forked_from)
    own = await say(world, "c", thread_id="f")
    assert [(1, first.task_id), (2, own.task_id)] == await messages(world, "f")
    _, lease = await world.claim_one()
    assert ["a"] == [e.input_data["goal"] for e in await world.workers.earlier(lease, 10)]


async def test_a_fork_must_leave_its_source_where_all_is_said(world: World) -> None:
    """Not behind a task that is under way, and not where there is no message."""
    await ran(world, "a")
    await say(world, "b")
    new = NewThread(tenant_id="default", thread_id="f")
    for after_seq in (2, 3):
        with pytest.raises(InvalidRequest):
            await world.threads.fork("t", after_seq, new)
    with pytest.raises(ThreadNotFound):
        await world.threads.get("default", "f")
    with pytest.raises(ThreadNotFound):
        await world.threads.fork("t", 1, NewThread(tenant_id="other", thread_id="f"))


async def test_a_fork_is_not_held_by_its_source(world: World) -> None:
    """A retry of a shared task is that of the source alone."""
    first = await say(world, "a")
    await world.tasks.cancel("default", first.task_id)
    await world.threads.fork("t", 1, NewThread(tenant_id="default", thread_id="f"))
    await world.tasks.retry("default", first.task_id)
    own = await say(world, "b", thread_id="f", on_busy="reject")
    assert {first.task_id, own.task_id} == set(await claimed(world))


async def test_an_archived_thread_takes_no_more(world: World) -> None:
    """What it has goes on."""
    first = await say(world, "a")
    archived = await world.threads.archive("default", "t")
    assert archived == await world.threads.archive("default", "t")
    with pytest.raises(ThreadArchived):
        await say(world, "b")
    assert [first.task_id] == await claimed(world)
    assert [(1, first.task_id)] == await messages(world)


async def test_threads_are_paged_newest_first(world: World) -> None:
    """Archived ones apart, and another tenant's not at all."""
    for name in ("a", "b", "c", "d"):
        await world.threads.create(NewThread(tenant_id="default", thread_id=name))
        world.advance(1)
    await world.threads.create(NewThread(tenant_id="other", thread_id="e"))
    await world.threads.archive("default", "b")
    first = await world.threads.page("default", archived=False, limit=2, cursor=None)
    rest = await world.threads.page("default", archived=False, limit=2, cursor=first.next_cursor)
    found = [[t.thread_id for t in page.threads] for page in (first, rest)]
    assert ([["d", "c"], ["a"]], None) == (found, rest.next_cursor)
    archived = await world.threads.page("default", archived=True, limit=2, cursor=None)
    assert ["b"] == [t.thread_id for t in archived.threads]
    with pytest.raises(InvalidRequest):
        await world.threads.page("default", archived=False, limit=2, cursor="elsewhere")


async def test_an_id_is_taken_once(world: World) -> None:
    """By a thread that was made, or that began with a task."""
    await say(world, "a")
    with pytest.raises(ThreadExists):
        await world.threads.create(NewThread(tenant_id="default", thread_id="t"))
    other = await say(world, "b", thread_id="u")
    await world.tasks.cancel("default", other.task_id)
    with pytest.raises(ThreadExists):
        await world.threads.fork("u", 1, NewThread(tenant_id="default", thread_id="t"))


async def test_a_thread_of_another_tenant_is_not_found(world: World) -> None:
    """To look at, to read or to archive."""
    await say(world, "a")
    for ask in (
        world.threads.get("other", "t"),
        world.threads.messages("other", "t", after=0, limit=1),
        world.threads.archive("other", "t"),
    ):
        with pytest.raises(ThreadNotFound):
            await ask


async def test_what_was_pruned_is_said_no_more(world: World) -> None:
    """The thread stays, and goes on counting."""
    await ran(world, "a")
    world.advance(1000)
    assert 1 == await world.upkeep.prune(100, 10)
    assert [] == await messages(world)
    second = await say(world, "b")
    assert [(2, second.task_id)] == await messages(world)


async def test_a_late_end_is_told_twice_to_no_one(world: World) -> None:
    """Ends that are told by two dispatchers at once free what waits once."""
    first = await say(world, "a")
    second = await say(world, "b")
    _, lease = await world.claim_one()
    await world.workers.settle(lease, complete({}))
    await asyncio.gather(world.upkeep.tell_ends(10), world.upkeep.tell_ends(10))
    log = await world.tasks.log("default", second.task_id)
    told = [event.data for event in log if event.type == "dependency.finished"]
    assert [{"task_id": first.task_id, "left": 0}] == told
