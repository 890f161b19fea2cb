"""Tasks that wait: what every store promises whoever waits, wakes, answers and gives up."""

from datetime import timedelta

import pytest
from store_world import World

from ops_core.answers import answer
from ops_core.errors import InvalidRequest, LostOwnership, NothingAsked, TaskFinished, TaskNotFound
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, wait
from ops_core.ports import Append, Lease
from ops_core.store.blobs import LARGE
from ops_core.task import Reason, Status, Task, Usage, Wait

pytestmark = pytest.mark.conformance


def question(path: str = "1/tool/1/input/1") -> NewEvent:
    journal = {"v": 1, "path": path, "hash": "h"}
    return NewEvent(type=EventType.INPUT_REQUESTED, data={"question": "Who?"}, journal=journal)


async def ask(world: World, lease: Lease, *paths: str) -> None:
    """The owner's handler asks."""
    events = [question(path) for path in paths] or [question()]
    await world.workers.append([Append(lease, events, Usage())])


FOR_INPUT = Wait(reason=Reason.INPUT, step="1/tool/1/input/1", detail={"question": "Who?"})


async def waiting(world: World, *waits: Wait, **fields: object) -> tuple[Task, Lease]:
    """A task that has asked and waits."""
    await world.submit(**fields)  # type: ignore[arg-type]
    task, lease = await world.claim_one()
    await ask(world, lease)
    return await world.workers.settle(lease, wait(waits or [FOR_INPUT], task.signals)), lease


async def types(world: World, task_id: str) -> list[str]:
    return [str(event.type) for event in await world.tasks.log("default", task_id)]


async def test_a_waiting_task_says_what_it_waits_for_and_is_owned_by_nobody(world: World) -> None:
    """Reason, question and event are there for clients; its worker has nothing of it any more."""
    task, _ = await waiting(world)
    assert (Status.WAITING, Reason.INPUT, None) == (task.status, task.reason, task.owner)
    said = [{"reason": "input", "step": "1/tool/1/input/1", "question": "Who?"}]
    assert said == task.waiting_for
    last = (await world.tasks.log("default", task.task_id))[-1]
    assert (EventType.TASK_WAITING, said) == (last.type, last.data["waiting_for"])
    orders = await world.workers.beat("w1", ["default"], slots=1, running=0)
    assert frozenset() == orders.owned


async def test_a_waiting_task_is_not_claimed_and_not_rung_for(world: World) -> None:
    """It takes no slot and no message, for as long as it waits."""
    await waiting(world)
    world.advance(3600)
    assert [] == await world.claim()
    assert 0 == await world.upkeep.wake(10)
    assert [] == await world.upkeep.take_rings(10)


async def test_an_answer_wakes_the_task_which_goes_on_in_the_same_attempt(world: World) -> None:
    """Signalled, it is pending at once, and its log has the answer and why it woke."""
    task, _ = await waiting(world)
    woken = await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    assert (Status.PENDING, Reason.QUEUED, None, 1) == (
        woken.status,
        woken.reason,
        woken.waiting_for,
        woken.signals,
    )
    assert [EventType.INPUT_RECEIVED, EventType.TASK_WOKEN] == (await types(world, task.task_id))[
        -2:
    ]
    again, _ = await world.claim_one("w2")
    assert (task.task_id, 1, 2) == (again.task_id, again.attempt, again.epoch)


async def test_a_woken_task_is_rung_for_without_a_grace(world: World) -> None:
    """Nobody else rings for it: upkeep does, at once."""
    task, _ = await waiting(world)
    await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    assert [1] == [rings.count for rings in await world.upkeep.take_rings(10)]


async def test_a_timer_wakes_a_task_when_its_time_has_come_and_not_before(world: World) -> None:
    """The earliest of its waits counts; the event says that it was a timer."""
    await world.submit()
    task, lease = await world.claim_one()
    waits = [
        Wait(reason=Reason.TIMER, step="a", until=task.updated_at + timedelta(seconds=s))
        for s in (60, 30)
    ]
    stored = await world.workers.settle(lease, wait(waits, 0))
    assert Reason.TIMER == stored.reason
    world.advance(29)
    assert 0 == await world.upkeep.wake(10)
    world.advance(2)
    assert 1 == await world.upkeep.wake(10)
    assert 0 == await world.upkeep.wake(10)
    woken, _ = await world.claim_one()
    assert (task.task_id, 1) == (woken.task_id, woken.attempt)
    log = await world.tasks.log("default", task.task_id)
    assert {"why": "timer"} == log[-2].data


async def test_a_timer_that_was_woken_from_outside_does_not_ring_again(world: World) -> None:
    """What came first woke it; the time that passes later finds it on its way."""
    until = Wait(reason=Reason.TIMER, step="b")
    await world.submit()
    task, lease = await world.claim_one()
    await ask(world, lease)
    timer = Wait(reason=Reason.TIMER, step="b", until=task.updated_at + timedelta(seconds=5))
    await world.workers.settle(lease, wait([FOR_INPUT, timer, until], 0))
    await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    world.advance(10)
    assert 0 == await world.upkeep.wake(10)


async def test_an_answer_that_comes_before_the_wait_is_not_slept_through(world: World) -> None:
    """The race: a signal between the claim and the settlement makes the task look again."""
    await world.submit()
    task, lease = await world.claim_one()
    await ask(world, lease)
    running = await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    assert (Status.RUNNING, "w1", 1) == (running.status, running.owner, running.signals)
    released = await world.workers.settle(lease, wait([FOR_INPUT], task.signals))
    assert (Status.PENDING, Reason.RECOVERED, None) == (
        released.status,
        released.reason,
        released.waiting_for,
    )
    log = await world.tasks.log("default", task.task_id)
    assert {"why": "signalled"} == log[-1].data
    again, lease = await world.claim_one()
    assert Status.WAITING == (await world.workers.settle(lease, wait([FOR_INPUT], 1))).status
    assert again.signals == 1


async def test_a_zombie_cannot_put_a_task_to_sleep(world: World) -> None:
    """The epoch guards this settlement like any other."""
    _, old = await waiting(world)
    await world.tasks.signal("default", old.task_id, answer(None, "Ada"))
    await world.claim_one("w2")
    with pytest.raises(LostOwnership):
        await world.workers.settle(old, wait([FOR_INPUT], 9))


async def test_a_cancelled_wait_is_over_and_no_answer_is_taken(world: World) -> None:
    """A waiting task is cancelled at once; who answers it hears that it has ended."""
    task, _ = await waiting(world)
    cancelled = await world.tasks.cancel("default", task.task_id)
    assert (Status.CANCELLED, None) == (cancelled.status, cancelled.waiting_for)
    with pytest.raises(TaskFinished):
        await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    world.advance(60)
    assert 0 == await world.upkeep.wake(10)
    assert EventType.TASK_CANCELLED == (await types(world, task.task_id))[-1]


async def test_a_cancel_that_was_asked_while_it_ran_is_carried_out_instead_of_the_wait(
    world: World,
) -> None:
    """A promised cancellation is not slept through."""
    await world.submit()
    task, lease = await world.claim_one()
    await world.tasks.cancel("default", task.task_id)
    settled = await world.workers.settle(lease, wait([FOR_INPUT], 0))
    assert (Status.CANCELLED, None) == (settled.status, settled.waiting_for)


async def test_a_deadline_ends_a_wait(world: World) -> None:
    """A task that nobody answers fails at its deadline, and tells why."""
    task, _ = await waiting(world, deadline_s=60.0)
    world.advance(59)
    assert 0 == await world.upkeep.expire(10)
    world.advance(2)
    assert 1 == await world.upkeep.expire(10)
    failed = await world.tasks.get("default", task.task_id)
    assert (Status.FAILED, Reason.DEADLINE_EXCEEDED, None) == (
        failed.status,
        failed.reason,
        failed.waiting_for,
    )


async def test_a_signal_to_an_ended_task_changes_nothing(world: World) -> None:
    """It is refused, and the log stays as it was."""
    await world.submit()
    task, lease = await world.claim_one()
    await ask(world, lease)
    done = await world.workers.settle(lease, complete({}))
    with pytest.raises(TaskFinished):
        await world.tasks.signal("default", task.task_id, answer(None, "late"))
    assert done == await world.tasks.get("default", task.task_id)


async def test_a_signal_finds_only_the_tasks_of_its_tenant(world: World) -> None:
    """Nobody answers a question of another tenant, or learns that it is there."""
    task, _ = await waiting(world)
    for tenant, task_id in (("other", task.task_id), ("default", "task_none")):
        with pytest.raises(TaskNotFound):
            await world.tasks.signal(tenant, task_id, answer(None, "Eve"))


async def test_a_question_is_answered_once(world: World) -> None:
    """Who comes second is told so, and the first answer stands."""
    task, _ = await waiting(world)
    await world.tasks.signal("default", task.task_id, answer("1/tool/1/input/1", "Ada"))
    with pytest.raises(NothingAsked):
        await world.tasks.signal("default", task.task_id, answer("1/tool/1/input/1", "Eve"))
    log = await world.tasks.log("default", task.task_id)
    assert ["Ada"] == [e.data["answer"] for e in log if e.type == EventType.INPUT_RECEIVED]
    assert 1 == (await world.tasks.get("default", task.task_id)).signals


async def test_with_two_open_questions_the_step_must_be_named(world: World) -> None:
    """The refusal names both; the named one is answered."""
    await world.submit()
    task, lease = await world.claim_one()
    await ask(world, lease, "1/tool/1/input/1", "1/tool/2/input/1")
    await world.workers.settle(lease, wait([FOR_INPUT], 0))
    with pytest.raises(InvalidRequest, match="1/tool/1/input/1, 1/tool/2/input/1"):
        await world.tasks.signal("default", task.task_id, answer(None, "Ada"))
    await world.tasks.signal("default", task.task_id, answer("1/tool/2/input/1", "Ada"))
    entry = next(
        e.journal
        for e in await world.tasks.log("default", task.task_id)
        if e.type == EventType.INPUT_RECEIVED
    )
    assert {"v": 1, "path": "1/tool/2/input/1", "value": "Ada"} == entry


async def test_large_journals_come_back_whole_however_they_came_in(world: World) -> None:
    """A step's value and an answer of more than a page are kept beside the log and read with it."""
    await world.submit()
    task, lease = await world.claim_one()
    await ask(world, lease)
    large = {"v": 1, "path": "2/llm", "value": "ä" * (LARGE + 1)}
    step = NewEvent(type=EventType.LLM_COMPLETED, journal=large)
    # Twice the same value in one batch, as two branches may have it: it is kept once.
    await world.workers.append([Append(lease, [step, step], Usage())])
    await world.workers.append([Append(lease, [step], Usage())])
    await world.workers.settle(lease, wait([FOR_INPUT], 0))
    told = "b" * (LARGE + 1)
    await world.tasks.signal("default", task.task_id, answer(None, told))
    _, lease = await world.claim_one()
    log = await world.workers.history(lease)
    assert [large] * 3 == [e.journal for e in log if e.type == EventType.LLM_COMPLETED]
    [received] = [e for e in log if e.type == EventType.INPUT_RECEIVED]
    assert told == (received.journal or {})["value"]
    assert log == await world.tasks.log("default", task.task_id)
