"""What tasks ask people: what every store promises whoever lists, decides and comes too late."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from store_world import World

from ops_core.answers import Said, answer, decision, only_for
from ops_core.ask import Ask, AskKind, AskStatus, ask_id, asks_of
from ops_core.asks.port import AskFilter, AskStore
from ops_core.errors import AlreadyResolved, AskNotFound, InvalidRequest, NothingAsked
from ops_core.log import EventType, NewEvent, rfc3339
from ops_core.moves import complete, fail, wait
from ops_core.ports import Append, Lease
from ops_core.store.blobs import LARGE
from ops_core.task import Reason, Status, Task, TaskError, Usage, Wait

pytestmark = pytest.mark.conformance

APPROVAL = "1/tool/1/approval/1"
INPUT = "1/tool/2/input/1"
PAY = {"question": "May it?", "tool": "pay", "arguments": {"eur": 5}}


def requested(step: str, kind: AskKind, **more: object) -> NewEvent:
    is_approval = kind is AskKind.APPROVAL
    event = EventType.APPROVAL_REQUESTED if is_approval else EventType.INPUT_REQUESTED
    asked: dict[str, object] = {**PAY} if is_approval else {"question": "Who?"}
    data = {"path": step, "step": 1, **asked, **more}
    return NewEvent(type=event, data=data, journal={"v": 1, "path": step, "hash": "h"})


async def ask(world: World, lease: Lease, *events: NewEvent) -> None:
    await world.workers.append([Append(lease, events, Usage())])


async def waiting(world: World, *events: NewEvent, **fields: object) -> Task:
    """A task that asked this and waits."""
    await world.submit(**fields)  # type: ignore[arg-type]
    task, lease = await world.claim_one()
    await ask(world, lease, *events)
    waits = [Wait(reason=Reason.APPROVAL, step=APPROVAL)]
    return await world.workers.settle(lease, wait(waits, task.signals))


async def for_pay(
    world: World,
    *,
    expires_in_s: float | None = None,
    beside: Sequence[NewEvent] = (),
    **fields: object,
) -> Ask:
    """An approval of a task that waits for it."""
    more = {}
    if expires_in_s is not None:
        now = (await world.submit(priority=-100)).created_at
        more["expires_at"] = rfc3339(now + timedelta(seconds=expires_in_s))
    task = await waiting(world, requested(APPROVAL, AskKind.APPROVAL, **more), *beside, **fields)
    return await world.asks.get_ask(
        "default", AskKind.APPROVAL, ask_id(AskKind.APPROVAL, task.task_id, APPROVAL, 1)
    )


async def now_of(world: World, ask: Ask) -> Ask:
    return await world.asks.get_ask(ask.tenant_id, ask.kind, ask.ask_id)


async def listed(
    asks: AskStore, kind: AskKind = AskKind.APPROVAL, **where: object
) -> Sequence[str]:
    page = await asks.ask_page(
        "default",
        AskFilter(kind=kind, **where),  # type: ignore[arg-type]
        limit=50,
        cursor=None,
    )
    assert len(page.asks) == page.total
    return [ask.ask_id for ask in page.asks]


async def agrees(world: World, *task_ids: str) -> None:
    """The table says what the logs say: the projection can be made again from them."""
    for task_id in task_ids:
        found = {
            ask.ask_id: ask
            for kind in AskKind
            for ask in (
                await world.asks.ask_page(
                    "default", AskFilter(kind=kind, task_id=task_id), limit=200, cursor=None
                )
            ).asks
        }
        log = await world.tasks.log("default", task_id)
        assert {ask.ask_id: ask for ask in asks_of("default", log)} == found


def approve(ask: Ask, by: str = "ann") -> object:
    return only_for(ask, decision(ask.step, "approve", "Fine.", said=Said(by=by)))


async def test_what_a_task_asks_is_listed_with_all_that_it_said(world: World) -> None:
    """In the transaction that stored the question: before the task even waits."""
    task = await world.submit()
    _, lease = await world.claim_one()
    await ask(world, lease, requested(APPROVAL, AskKind.APPROVAL, sources=[{"source": "tool"}]))
    [name] = await listed(world.asks)
    found = await world.asks.get_ask("default", AskKind.APPROVAL, name)
    assert (task.task_id, APPROVAL, 1, AskStatus.PENDING) == (
        found.task_id,
        found.step,
        found.generation,
        found.status,
    )
    assert PAY | {"sources": [{"source": "tool"}]} == found.asked
    assert (None, None, None) == (found.resolution, found.resolved_by, found.expires_at)
    await agrees(world, task.task_id)


async def test_an_append_that_is_repeated_asks_once(world: World) -> None:
    """A lost reply of COMMIT: the same ask, whichever of the two tries was stored."""
    task = await world.submit()
    _, lease = await world.claim_one()
    event = requested(APPROVAL, AskKind.APPROVAL)
    await ask(world, lease, event)
    await world.workers.append([Append(lease, [event], Usage(), is_repeated=True)])
    assert 1 == len(await listed(world.asks))
    await agrees(world, task.task_id)


async def test_lists_are_by_kind_status_and_task_newest_first(world: World) -> None:
    """A page of one goes on where it ended, and another tenant sees nothing."""
    first = await for_pay(world)
    world.advance(1)
    second = await for_pay(world)
    question = await waiting(world, requested(INPUT, AskKind.INPUT))
    assert [second.ask_id, first.ask_id] == await listed(world.asks)
    assert [first.ask_id] == await listed(world.asks, task_id=first.task_id)
    await world.tasks.signal("default", first.task_id, approve(first))  # type: ignore[arg-type]
    assert [second.ask_id] == await listed(world.asks, status=AskStatus.PENDING)
    assert [first.ask_id] == await listed(world.asks, status=AskStatus.APPROVED)
    name = ask_id(AskKind.INPUT, question.task_id, INPUT, 1)
    assert [name] == await listed(world.asks, AskKind.INPUT)
    where = AskFilter(kind=AskKind.APPROVAL)
    page = await world.asks.ask_page("default", where, limit=1, cursor=None)
    assert (second.ask_id, 2) == (page.asks[0].ask_id, page.total)
    rest = await world.asks.ask_page("default", where, limit=1, cursor=page.next_cursor)
    assert ([first.ask_id], None) == ([ask.ask_id for ask in rest.asks], rest.next_cursor)
    assert 0 == (await world.asks.ask_page("other", where, limit=1, cursor=None)).total
    for tenant, kind in (("other", AskKind.APPROVAL), ("default", AskKind.INPUT)):
        with pytest.raises(AskNotFound):
            await world.asks.get_ask(tenant, kind, first.ask_id)
    with pytest.raises(InvalidRequest):
        await world.asks.ask_page("default", where, limit=1, cursor="Zm9v")


async def test_a_decision_is_kept_with_who_and_why(world: World) -> None:
    """Also on the row; the task is woken."""
    ask_now = await for_pay(world)
    said = Said(by="ann", request_hash="r")
    decide = only_for(
        ask_now, decision(APPROVAL, "approve", "Less.", arguments={"eur": 4}, said=said)
    )
    task = await world.tasks.signal("default", ask_now.task_id, decide)
    assert Status.PENDING is task.status
    found = await now_of(world, ask_now)
    assert (AskStatus.APPROVED, "ann", "r") == (
        found.status,
        found.resolved_by,
        found.request_hash,
    )
    assert {"decision": "approve", "comment": "Less.", "arguments": {"eur": 4}} == found.resolution
    assert found.hash == ask_now.hash  # it is bound to what was asked
    told = (await world.tasks.log("default", task.task_id))[-2]
    assert ("approval.resolved", ask_now.ask_id, "ann") == (
        told.type,
        told.data["approval_id"],
        told.data["by"],
    )
    await agrees(world, task.task_id)


async def test_a_large_answer_is_kept_whole(world: World) -> None:
    """Its journal stands beside the log; the row has it from the event."""
    task = await waiting(world, requested(INPUT, AskKind.INPUT))
    text = "x" * LARGE
    await world.tasks.signal("default", task.task_id, answer(None, text, Said(request_hash="r")))
    [name] = await listed(world.asks, AskKind.INPUT, status=AskStatus.ANSWERED)
    found = await world.asks.get_ask("default", AskKind.INPUT, name)
    assert ({"answer": text}, "r") == (found.resolution, found.request_hash)


async def test_of_twenty_decisions_at_once_one_is_taken(world: World) -> None:
    """Single use: one event, and the others hear that it was decided."""
    ask_now = await for_pay(world)
    tries = [
        world.tasks.signal("default", ask_now.task_id, approve(ask_now, f"p{n}"))  # type: ignore[arg-type]
        for n in range(20)
    ]
    done = await asyncio.gather(*tries, return_exceptions=True)
    refused = [each for each in done if isinstance(each, AlreadyResolved)]
    assert (19, 1) == (len(refused), sum(isinstance(each, Task) for each in done))
    log = await world.tasks.log("default", ask_now.task_id)
    [told] = [event for event in log if event.type == EventType.APPROVAL_RESOLVED]
    assert told.data["by"] == (await now_of(world, ask_now)).resolved_by
    await agrees(world, ask_now.task_id)


async def test_what_is_over_is_rejected_by_upkeep_once(world: World) -> None:
    """Not a moment before, and nothing else of its task; that is woken, by one of two dispatchers."""
    ask_now = await for_pay(world, expires_in_s=60, beside=[requested(INPUT, AskKind.INPUT)])
    world.advance(59)
    assert 0 == await world.asks.expire_asks(10)
    world.advance(2)
    done = await asyncio.gather(*(world.asks.expire_asks(10) for _ in range(2)))
    assert 1 == sum(done)
    assert 0 == await world.asks.expire_asks(10)
    assert AskStatus.EXPIRED is (await now_of(world, ask_now)).status
    assert 1 == len(await listed(world.asks, AskKind.INPUT, status=AskStatus.PENDING))
    task = await world.tasks.get("default", ask_now.task_id)
    assert (Status.PENDING, 1) == (task.status, task.signals)
    log = await world.tasks.log("default", task.task_id)
    assert ["approval.expired", "task.woken"] == [str(event.type) for event in log[-2:]]
    assert "reject" == (log[-2].journal or {})["value"]["decision"]
    await agrees(world, task.task_id)


async def test_who_comes_after_the_end_is_refused_though_upkeep_has_not_been(world: World) -> None:
    """Through the task's step as well; the log stays as it was."""
    ask_now = await for_pay(world, expires_in_s=60)
    world.advance(61)
    before = await world.tasks.log("default", ask_now.task_id)
    for decide in (approve(ask_now), decision(APPROVAL, "approve", None)):
        with pytest.raises(AlreadyResolved, match="expired"):
            await world.tasks.signal("default", ask_now.task_id, decide)  # type: ignore[arg-type]
    assert before == await world.tasks.log("default", ask_now.task_id)
    assert 1 == await world.asks.expire_asks(10)


async def test_the_end_of_a_task_is_the_end_of_what_it_asked(world: World) -> None:
    """However it ends: cancelled from outside, failed by its owner, past its deadline, completed."""
    cancelled = await for_pay(world)
    await world.tasks.cancel("default", cancelled.task_id)
    late = await for_pay(world, deadline_s=5)
    world.advance(6)
    await world.upkeep.expire(10)
    ended = [cancelled, late]
    for move in (complete({}), fail(TaskError(type="x", message="x"))):
        await world.submit()
        task, lease = await world.claim_one()
        await ask(world, lease, requested(APPROVAL, AskKind.APPROVAL))
        await world.workers.settle(lease, move)
        name = ask_id(AskKind.APPROVAL, task.task_id, APPROVAL, 1)
        ended.append(await world.asks.get_ask("default", AskKind.APPROVAL, name))
    for ask_then in ended:
        found = await now_of(world, ask_then)
        assert (AskStatus.CANCELLED, None) == (found.status, found.resolution)
    assert [] == await listed(world.asks, status=AskStatus.PENDING)
    await agrees(world, *(ask_then.task_id for ask_then in ended))


async def test_a_retried_task_asks_anew_and_the_old_ask_stays_over(world: World) -> None:
    """Each generation has an ask of its own; a decision for the first is not one for the second."""
    first = await for_pay(world)
    await world.tasks.cancel("default", first.task_id)
    await world.tasks.retry("default", first.task_id)
    task, lease = await world.claim_one()
    await ask(world, lease, requested(APPROVAL, AskKind.APPROVAL))
    second = ask_id(AskKind.APPROVAL, task.task_id, APPROVAL, 2)
    assert {second, first.ask_id} == set(await listed(world.asks))
    assert [second] == await listed(world.asks, status=AskStatus.PENDING)
    with pytest.raises(AlreadyResolved, match="cancelled"):
        await world.tasks.signal("default", task.task_id, approve(first))  # type: ignore[arg-type]
    await agrees(world, task.task_id)
    await world.tasks.signal("default", task.task_id, decision(APPROVAL, "reject", None))
    await agrees(world, task.task_id)


async def test_an_answer_to_what_no_row_knows_is_taken(world: World) -> None:
    """A task that was retried and has not asked yet: its log alone decides."""
    first = await for_pay(world)
    await world.tasks.cancel("default", first.task_id)
    await world.tasks.retry("default", first.task_id)
    await world.tasks.signal("default", first.task_id, decision(APPROVAL, "approve", None))
    with pytest.raises(NothingAsked):
        await world.tasks.signal("default", first.task_id, decision(APPROVAL, "approve", None))
    await agrees(world, first.task_id)


async def test_what_a_fork_took_over_was_not_asked_of_it(world: World) -> None:
    """Its log has the decision of its source, its list of asks is empty."""
    ask_now = await for_pay(world)
    await world.tasks.signal("default", ask_now.task_id, approve(ask_now))  # type: ignore[arg-type]
    log = await world.tasks.log("default", ask_now.task_id)
    copies = [
        NewEvent(
            type=EventType(event.type), data=event.data | {"copied": True}, journal=event.journal
        )
        for event in log
        if event.type.startswith("approval.")
    ]
    fork = await world.submit(steps=copies)
    assert [] == await listed(world.asks, task_id=fork.task_id)
    await agrees(world, fork.task_id)


async def test_a_pruned_task_takes_its_asks_with_it(world: World) -> None:
    """Nothing is left of it."""
    ask_now = await for_pay(world)
    await world.tasks.cancel("default", ask_now.task_id)
    world.advance(3600)
    assert 1 == await world.upkeep.prune(60, 10)
    assert [] == await listed(world.asks)
    with pytest.raises(AskNotFound):
        await now_of(world, ask_now)


async def test_two_steps_each_ask_and_each_is_decided(world: World) -> None:
    """In one append, and one after the other; replacing is no deciding."""
    task = await waiting(
        world, requested(APPROVAL, AskKind.APPROVAL), requested(INPUT, AskKind.INPUT)
    )
    await world.tasks.signal("default", task.task_id, answer(None, "Ada", Said(by="bob")))
    assert [] == await listed(world.asks, AskKind.INPUT, status=AskStatus.PENDING)
    [left] = await listed(world.asks, status=AskStatus.PENDING)
    found = await world.asks.get_ask("default", AskKind.APPROVAL, left)
    assert replace(found, status=AskStatus.PENDING) == found
    await agrees(world, task.task_id)
