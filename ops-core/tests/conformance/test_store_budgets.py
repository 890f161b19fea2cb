"""The ledger: reserved before a call, settled with its step, given back whatever dies."""

import asyncio
from decimal import Decimal

import pytest
from flow_world import FlowWorld, paid_by, step, tokens

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import Wanted
from ops_core.errors import LostOwnership
from ops_core.log import EventType
from ops_core.moves import fail, release
from ops_core.ports import Appended
from ops_core.task import Reason, TaskError

pytestmark = pytest.mark.conformance


async def test_a_call_reserves_and_its_step_settles(flow: FlowWorld) -> None:
    """What was reserved is replaced by what was used; the log says both."""
    task = await flow.submit(budget=Allowance(tokens=100, cost_usd=Decimal(1), seconds=60.0))
    [claimed] = await flow.claim()
    assert (await flow.reserve(claimed, tokens=40)).is_granted
    reserved = await flow.budget(task.task_id)
    assert (0, 40, 60) == (reserved.spent.tokens, reserved.reserved.tokens, reserved.left.tokens)
    assert Appended.STORED is await flow.settle(claimed, tokens=25)
    settled = await flow.budget(task.task_id)
    used = Amounts(cost_usd=Decimal("0.01"), tokens=25, steps=1, seconds=0.5)
    assert (used, Amounts()) == (settled.spent, settled.reserved)
    told = await flow.tasks.events("default", task.task_id, after=0, limit=10)
    said = next(event.data for event in told if event.type == EventType.BUDGET_RESERVED)
    assert ("1/llm", [task.task_id], 40) == (said["path"], said["budgets"], said["tokens"])


async def test_what_a_budget_does_not_hold_is_refused(flow: FlowWorld) -> None:
    """Nothing is reserved, and it is said what there is too little of."""
    task = await flow.submit(budget=tokens(30))
    [claimed] = await flow.claim()
    refused = (await flow.reserve(claimed, tokens=31)).exhausted
    assert refused is not None
    assert (task.task_id, ("tokens",)) == (refused.budget_id, refused.what)
    assert Amounts() == (await flow.budget(task.task_id)).reserved


async def test_what_others_reserved_is_in_the_way_and_no_end(flow: FlowWorld) -> None:
    """It is granted once the other call has used less."""
    await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    assert (await flow.reserve(claimed, "1/llm", 40)).is_granted
    verdict = await flow.reserve(claimed, "2/llm", 20)
    assert (False, None) == (verdict.is_granted, verdict.exhausted)
    await flow.settle(claimed, "1/llm", 5)
    assert (await flow.reserve(claimed, "2/llm", 20)).is_granted


async def test_a_call_that_is_made_again_reserves_once(flow: FlowWorld) -> None:
    """And one that failed gives back what it had."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    for _ in range(2):
        assert (await flow.reserve(claimed, tokens=40)).is_granted
    assert 40 == (await flow.budget(task.task_id)).reserved.tokens
    await flow.workers.put_back(flow.lease(claimed), "1/llm", paid_by(claimed))
    assert Amounts() == (await flow.budget(task.task_id)).reserved


async def test_children_draw_on_the_budgets_above_them(flow: FlowWorld) -> None:
    """On the parent's, and on their own if they have one."""
    root = await flow.submit(budget=tokens(100))
    await flow.claim()
    child = await flow.submit(parent_task_id=root.task_id, budget=tokens(80))
    await flow.submit(parent_task_id=child.task_id)
    first, second = await flow.claim(count=2)
    assert [(root.task_id, child.task_id)] * 2 == [first.budget_ids, second.budget_ids]
    assert (await flow.reserve(first, tokens=60)).is_granted
    await flow.settle(first, tokens=60)
    refused = (await flow.reserve(second, tokens=30)).exhausted
    assert refused is not None
    assert child.task_id == refused.budget_id
    assert 60 == (await flow.budget(root.task_id)).spent.tokens


async def test_a_dead_workers_reservation_is_nobodys(flow: FlowWorld) -> None:
    """The task's next run has the whole budget at once; upkeep gives back what no run asks for."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    await flow.reserve(claimed, tokens=50)
    flow.advance(60)
    await flow.upkeep.bury_workers(10)
    [again] = await flow.claim("w2")
    assert (await flow.reserve(again, tokens=50)).is_granted
    await flow.workers.settle(flow.lease(again), release("drained"))
    assert [1, 0] == [await flow.upkeep.free_reservations(10) for _ in range(2)]
    assert Amounts() == (await flow.budget(task.task_id)).reserved


async def test_a_zombie_reserves_nothing_and_settles_nothing(flow: FlowWorld) -> None:
    """Its task has gone on without it."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    await flow.workers.settle(flow.lease(claimed), release("drained"))
    await flow.claim("w2")
    with pytest.raises(LostOwnership):
        await flow.reserve(claimed)
    assert Appended.LOST is await flow.settle(claimed)
    assert Amounts() == (await flow.budget(task.task_id)).spent


async def test_a_step_whose_reply_was_lost_is_charged_once(flow: FlowWorld) -> None:
    """Asked again, it is stored already."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    await flow.reserve(claimed)
    once = step(claimed, "1/llm", 10)
    again = type(once)(once.lease, once.events, once.usage, once.settles, is_repeated=True)
    answers = [(await flow.workers.append([append]))[0] for append in (once, again)]
    assert [Appended.STORED] * 2 == answers
    spent = await flow.budget(task.task_id)
    assert (10, 0) == (spent.spent.tokens, spent.reserved.tokens)


async def test_a_failed_task_keeps_what_it_spent_and_can_be_given_more(flow: FlowWorld) -> None:
    """A raised budget holds for its next generation."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    await flow.reserve(claimed, tokens=50)
    await flow.settle(claimed, tokens=50)
    error = TaskError(type="budget_exhausted", message="raise it")
    await flow.workers.settle(flow.lease(claimed), fail(error, Reason.BUDGET_EXHAUSTED))
    raised = await flow.budgets.put("default", task.task_id, tokens(80))
    assert raised is not None
    assert 30 == raised.left.tokens
    await flow.tasks.retry("default", task.task_id)
    [again] = await flow.claim()
    assert (await flow.reserve(again, "2/llm", 30)).is_granted


async def test_a_tenants_budget_holds_for_all_its_tasks(flow: FlowWorld) -> None:
    """For those that are claimed from then on, with a budget of their own or without."""
    await flow.budgets.put("default", "day", tokens(50))
    await flow.submit()
    await flow.submit(budget=tokens(1000))
    await flow.submit(tenant_id="other")
    claimed = await flow.claim(count=3)
    assert [("day",), ("day",), ()] == sorted((t.tenant_budget_ids for t in claimed), reverse=True)
    ours = [task for task in claimed if task.tenant_id == "default"]
    assert (await flow.reserve(ours[0], tokens=40)).is_granted
    assert not (await flow.reserve(ours[1], tokens=40)).is_granted


async def test_a_tenants_budget_begins_anew(flow: FlowWorld) -> None:
    """Each day; what is under way stays reserved, and is charged to the day that it ends in."""
    await flow.budgets.put("default", "day", tokens(50))
    await flow.submit()
    [claimed] = await flow.claim()
    await flow.reserve(claimed, tokens=30)
    await flow.settle(claimed, tokens=30)
    await flow.reserve(claimed, "2/llm", tokens=20)
    flow.advance(86_400)
    tomorrow = await flow.budget("day")
    assert (0, 20) == (tomorrow.spent.tokens, tomorrow.reserved.tokens)
    await flow.settle(claimed, "2/llm", tokens=20)
    assert 20 == (await flow.budget("day")).spent.tokens


async def test_a_price_that_is_not_known_is_not_paid(flow: FlowWorld) -> None:
    """Only a budget of money minds."""
    await flow.submit(budget=tokens(50))
    await flow.submit(budget=Allowance(cost_usd=Decimal(1)))
    claimed = await flow.claim(count=2)
    unknown = Wanted(tokens=1, cost_usd=None)
    verdicts = [
        await flow.workers.reserve(flow.lease(task), "1/llm", unknown, paid_by(task))
        for task in sorted(claimed, key=lambda task: task.budget.tokens is None)  # type: ignore[union-attr]
    ]
    assert [True, False] == [verdict.is_granted for verdict in verdicts]


async def test_tenants_have_budgets_of_their_own(flow: FlowWorld) -> None:
    """Listed by period, changed, deleted; a task's cannot be made."""
    for period in ("total", "day"):
        await flow.budgets.put("default", period, tokens(5))
    assert ["day", "total"] == [budget.budget_id for budget in await flow.budgets.own("default")]
    assert [] == [*await flow.budgets.own("other")]
    assert None is await flow.budgets.put("default", "task_0", tokens(5))
    assert await flow.budgets.delete("default", "day")
    assert not await flow.budgets.delete("default", "day")


async def test_many_at_once_never_spend_more_than_there_is(flow: FlowWorld) -> None:
    """Thirty calls of ten children, of which the budget holds seven."""
    root = await flow.submit(budget=tokens(70))
    await flow.claim()
    for _ in range(10):
        await flow.submit(parent_task_id=root.task_id)
    children = await flow.claim(count=10)

    async def calls(child: int) -> int:
        made = 0
        for number in range(3):
            if (await flow.reserve(children[child], f"{number}/llm")).is_granted:
                await flow.settle(children[child], f"{number}/llm")
                made += 1
        return made

    made = sum(await asyncio.gather(*map(calls, range(10))))
    budget = await flow.budget(root.task_id)
    assert (made * 10, 0) == (budget.spent.tokens, budget.reserved.tokens)
    assert 7 == made
