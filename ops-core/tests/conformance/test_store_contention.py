"""Who holds a row is in the way of those who need that row, and of nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from flow_world import FlowWorld, paid_by, step, tokens
from sqlalchemy import text

from ops_core.budgets.ledger import Wanted
from ops_core.errors import DeliveryNotFound, LostOwnership, StoreUnavailable
from ops_core.flow.key_limit import Rate
from ops_core.log import EventType, NewEvent
from ops_core.moves import release
from ops_core.ports import Append, Appended
from ops_core.store import Database, SqlDeliveries, SqlWebhooks
from ops_core.store.gates import Gate, openable
from ops_core.task import Usage
from ops_core.webhooks.model import HookSpec
from ops_core.webhooks.signing import new_secret

pytestmark = pytest.mark.conformance

PROMPT_S = 2.0
"""Less than the three seconds that a statement waits for a lock."""

GATE = "SELECT pg_advisory_xact_lock(hashtextextended('opspawn gate default' || chr(31) || :id, 0))"
TASK = "SELECT FROM task WHERE task_id = :id FOR NO KEY UPDATE"
DELIVERY = "SELECT FROM webhook_delivery WHERE delivery_id = :id FOR NO KEY UPDATE"
BUDGET = "SELECT FROM budget WHERE budget_id = :id FOR NO KEY UPDATE"


class Hands:
    """Others' transactions, which hold rows for as long as a block."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def holding(self, query: str, row_id: str) -> AsyncIterator[None]:
        async with self.database.begin() as connection:
            assert 1 == (await connection.execute(text(query), {"id": row_id})).rowcount
            yield


@pytest.fixture
def flow_store() -> str:
    """Rows are locked in PostgreSQL alone."""
    return "postgres"


@pytest.fixture
async def hands(database_url: str) -> AsyncIterator[Hands]:
    database = Database(database_url, pool_size=2)
    yield Hands(database)
    await database.close()


async def test_a_batch_does_not_wait_for_a_budget_in_other_hands(
    flow: FlowWorld, hands: Hands
) -> None:
    """The steps that nobody pays for, or from other budgets, are stored; the one that is paid comes again."""
    for budget in (tokens(100), tokens(100), None):
        await flow.submit(budget=budget)
    claimed = await flow.claim(count=3)
    held, free, unpaid = sorted(claimed, key=lambda task: (not task.budget_ids, task.task_id))
    event = NewEvent(type=EventType.TIMER_SET, data={})
    batch = [step(held, "1/llm", 5), step(free, "1/llm", 5)]
    batch.append(Append(flow.lease(unpaid), [event], Usage()))
    async with asyncio.timeout(PROMPT_S), hands.holding(BUDGET, held.task_id):
        outcomes = await flow.workers.append(batch)
    assert [Appended.BUSY, Appended.STORED, Appended.STORED] == outcomes
    assert 0 == (await flow.budget(held.task_id)).spent.tokens
    assert [Appended.STORED] == await flow.workers.append(batch[:1])
    spent = [(await flow.budget(task.task_id)).spent.tokens for task in (held, free)]
    assert [5, 5] == spent


async def test_who_lost_its_task_is_told_so_though_the_budget_is_in_other_hands(
    flow: FlowWorld, hands: Hands
) -> None:
    """Else a zombie would ask again and again."""
    task = await flow.submit(budget=tokens(100))
    [claimed] = await flow.claim()
    await flow.workers.settle(flow.lease(claimed), release("drained"))
    async with asyncio.timeout(PROMPT_S), hands.holding(BUDGET, task.task_id):
        outcomes = await flow.workers.append([step(claimed, "1/llm", 5)])
    assert [Appended.LOST] == outcomes


async def test_a_deleted_budget_is_in_nobodys_way(flow: FlowWorld) -> None:
    """A step that was begun under a tenant's budget is stored when there is none any more."""
    await flow.budgets.put("default", "day", tokens(100))
    await flow.submit()
    [claimed] = await flow.claim()
    await flow.budgets.delete("default", "day")
    assert Appended.STORED is await flow.settle(claimed)


async def test_who_waits_for_a_budget_does_not_hold_it(flow: FlowWorld, hands: Hands) -> None:
    """While something is in the way it is only looked: the settlement that would make room comes first."""
    task = await flow.submit(budget=tokens(50))
    [claimed] = await flow.claim()
    await flow.reserve(claimed, "1/llm", 40)
    wanted = Wanted(tokens=20, cost_usd=Decimal(0))
    asked = (flow.lease(claimed), "2/llm", wanted, paid_by(claimed))
    async with asyncio.timeout(PROMPT_S), hands.holding(BUDGET, task.task_id):
        verdict = await flow.workers.reserve(*asked, waited=True)
    assert (False, None) == (verdict.is_granted, verdict.exhausted)
    await flow.settle(claimed, "1/llm", 5)
    assert (await flow.workers.reserve(*asked, waited=True)).is_granted


async def test_what_the_dead_reserved_is_in_nobodys_way_who_waits(flow: FlowWorld) -> None:
    """Nor is what was reserved for the very call before; and who lost its task waits no longer."""
    await flow.submit(budget=tokens(50))
    [dead] = await flow.claim()
    await flow.reserve(dead, "1/llm", 40)
    await flow.workers.settle(flow.lease(dead), release("drained"))
    [claimed] = await flow.claim()
    wanted = Wanted(tokens=50, cost_usd=Decimal(0))
    for _ in range(2):
        granted = await flow.workers.reserve(
            flow.lease(claimed), "2/llm", wanted, paid_by(claimed), waited=True
        )
        assert granted.is_granted
    with pytest.raises(LostOwnership):
        await flow.workers.reserve(flow.lease(dead), "1/llm", wanted, paid_by(dead), waited=True)


async def test_a_pass_does_not_wait_for_who_opens_a_gate(flow: FlowWorld, hands: Hands) -> None:
    """Another dispatcher, say: it is passed over, and the gates behind it are opened."""
    for key in ("a", "b"):
        for _ in range(2):
            await flow.submit(concurrency_key=key)
        await flow.limit(key, concurrency=2)
    async with asyncio.timeout(PROMPT_S), hands.holding(GATE, "a"):
        assert 1 == await flow.upkeep.open_gates(10)
    assert 1 == await flow.upkeep.open_gates(10)


async def test_a_gate_without_tokens_is_not_looked_at_again_and_again(
    flow: FlowWorld, hands: Hands
) -> None:
    """Who waits for its rate does not cost each pass a transaction: only when there is a token."""
    await flow.limit("k", concurrency=9, rate=Rate(count=2, per_s=60))
    for _ in range(4):
        await flow.submit(concurrency_key="k")
    gate = Gate("default", "k")
    found = []
    for passed_s in ("0", "15", "31", "600"):
        async with hands.database.begin() as connection:
            await connection.execute(
                text(f"SET LOCAL ops_core.clock_offset = '{passed_s} seconds'")
            )
            found.append((await openable(connection, Gate("", ""), 10))[0])
    assert [[], [], [gate], [gate]] == found


async def test_a_webhook_is_deleted_though_what_is_sent_to_it_is_in_other_hands(
    flow: FlowWorld, hands: Hands
) -> None:
    """Millions of rows would be: the doors show none of them any more, and upkeep deletes them in batches."""
    webhooks, deliveries = SqlWebhooks(hands.database), SqlDeliveries(hands.database)
    spec = HookSpec(url="https://example.org", events=("task.submitted",))
    hook = await webhooks.create("default", spec, new_secret(), by="x", limit=9)
    task, *_ = [await flow.submit() for _ in range(5)]
    page = await webhooks.deliveries("default", task_id=task.task_id, limit=9, cursor=None)
    [sent] = page.deliveries
    async with asyncio.timeout(PROMPT_S), hands.holding(DELIVERY, sent.delivery_id):
        await webhooks.delete("default", hook.webhook_id)
    page = await webhooks.deliveries("default", task_id=task.task_id, limit=9, cursor=None)
    assert [] == [*page.deliveries]
    for door in (webhooks.delivery, webhooks.redeliver):
        with pytest.raises(DeliveryNotFound):
            await door("default", sent.delivery_id)
    assert [2, 2, 1, 0] == [await deliveries.prune(1e9, 2) for _ in range(4)]
    async with hands.database.begin() as connection:
        left = "SELECT count(*) FROM deleted_webhook"
        assert 0 == await connection.scalar(text(left))


async def test_an_old_task_whose_budget_is_in_other_hands_is_deleted_later(
    flow: FlowWorld, hands: Hands
) -> None:
    """Budgets are locked before tasks: who waits for one with a task in hand could wait for ever."""
    paid, unpaid = await flow.submit(budget=tokens(9)), await flow.submit()
    for task in (paid, unpaid):
        await flow.tasks.cancel("default", task.task_id)
    flow.advance(60)
    async with asyncio.timeout(PROMPT_S), hands.holding(BUDGET, paid.task_id):
        assert 1 == await flow.upkeep.prune(30, 9)
    assert 1 == await flow.upkeep.prune(30, 9)
    assert None is await flow.budgets.get("default", paid.task_id)


async def test_a_pass_does_not_wait_for_a_budget_in_other_hands(
    flow: FlowWorld, hands: Hands
) -> None:
    """What the dead have reserved in the others is given back."""
    held, free = await flow.submit(budget=tokens(9)), await flow.submit(budget=tokens(9))
    for claimed in await flow.claim(count=2):
        await flow.reserve(claimed, tokens=5)
        await flow.workers.settle(flow.lease(claimed), release("drained"))
    async with asyncio.timeout(PROMPT_S), hands.holding(BUDGET, held.task_id):
        await flow.upkeep.free_reservations(9)
    reserved = [(await flow.budget(task.task_id)).reserved.tokens for task in (held, free)]
    assert [5, 0] == reserved
    await flow.upkeep.free_reservations(9)
    assert 0 == (await flow.budget(held.task_id)).reserved.tokens


async def test_an_end_whose_parent_is_in_other_hands_lets_the_others_pass(
    flow: FlowWorld, hands: Hands
) -> None:
    """It is told when they have been, and its parent is free."""
    parents = [await flow.submit() for _ in range(2)]
    await flow.claim(count=2)
    children = [await flow.submit(parent_task_id=parent.task_id) for parent in parents]
    for child in children:
        await flow.tasks.cancel("default", child.task_id)
    async with hands.holding(TASK, parents[0].task_id):
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await flow.upkeep.tell_ends(9)
        assert 1 == await flow.upkeep.tell_ends(9)
    assert [1, 0] == [await flow.upkeep.tell_ends(9), await flow.upkeep.tell_ends(9)]
