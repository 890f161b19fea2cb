"""What every store tells of how the installation stands."""

import re

import pytest
from sqlalchemy import text
from store_world import TTL_S, World
from webhook_world import Hooks

from ops_core.errors import StoreUnavailable
from ops_core.fleet import WorkerState
from ops_core.metrics import Figures, FiguresStore
from ops_core.metrics.port import MOST
from ops_core.moves import complete, fail, retry, wait
from ops_core.ports import ORDINARY, Profile
from ops_core.store import Database, SqlDeliveries, SqlFiguresStore, SqlTaskStore, SqlWebhooks
from ops_core.store.figures import _BOUNDED, _FIGURES, LANES
from ops_core.task import Reason, Status, TaskError, Wait
from ops_core.testing import MemoryFiguresStore, MemoryStore, MemoryWebhooks

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="y")

FOR_INPUT = Wait(reason=Reason.INPUT, step="1/input/1", detail={"question": "Who?"})


@pytest.fixture
def hooks(world: World) -> Hooks:
    """Webhooks beside the world."""
    if isinstance(world.tasks, MemoryStore):
        memory = MemoryWebhooks(world.tasks)
        return Hooks(world, memory, memory)
    assert isinstance(world.tasks, SqlTaskStore)
    database = world.tasks._database
    return Hooks(world, SqlWebhooks(database), SqlDeliveries(database))


@pytest.fixture
def store(hooks: Hooks) -> FiguresStore:
    world = hooks.world
    if isinstance(world.tasks, MemoryStore):
        assert isinstance(hooks.webhooks, MemoryWebhooks)
        return MemoryFiguresStore(world.tasks, hooks.webhooks)
    assert isinstance(world.tasks, SqlTaskStore)
    return SqlFiguresStore(world.tasks._database, heartbeat_ttl_s=TTL_S)


def counts(figures: Figures, queue: str = "default") -> dict[str, int]:
    """Those that are not 0."""
    return {status.value: n for status, n in figures.queues[queue].tasks.items() if n}


async def test_an_empty_installation_has_figures(store: FiguresStore) -> None:
    """Zeros, and no queue."""
    figures = await store.figures()
    assert ({}, 0, 0, 0, 0.0) == (
        figures.queues,
        figures.dead_letters,
        figures.ends_waiting,
        figures.deliveries_waiting,
        figures.oldest_delivery_s,
    )
    assert 0 == sum(figures.workers.values())


async def test_unfinished_tasks_are_counted_by_queue_and_state(
    world: World, store: FiguresStore
) -> None:
    """Of every tenant; those that have ended are not."""
    for tenant_id in ("default", "default", "default", "acme", "acme"):
        await world.submit(tenant_id=tenant_id)
    await world.submit(queue="other")
    waiting, ended, _ = await world.claim(count=3)
    await world.workers.settle(world.lease(waiting), wait([FOR_INPUT], waiting.signals))
    await world.workers.settle(world.lease(ended), complete({}))
    figures = await store.figures()
    assert {"pending": 2, "running": 1, "waiting": 1} == counts(figures)
    assert {"pending": 1} == counts(figures, "other")


async def test_tasks_at_a_gate_are_pending_and_not_due(world: World, store: FiguresStore) -> None:
    """They wait for another task, and no worker is late."""
    await world.submit(concurrency_key="k")
    await world.submit(concurrency_key="k")
    await world.claim()
    world.advance(100)
    figures = await store.figures()
    assert {"pending": 1, "running": 1} == counts(figures)
    assert 0.0 == figures.queues["default"].oldest_due_s


async def test_the_oldest_due_task_of_a_queue_is_told(world: World, store: FiguresStore) -> None:
    """Whatever its tenant and priority, and however many came later; one whose time is to come is not due."""
    await world.submit()
    _, later = await world.claim_one()
    await world.workers.settle(later, retry(ERROR, 1000))
    await world.submit(tenant_id="zeta", priority=-3)
    world.advance(60)
    for tenant_id in ("acme", "default", "zeta"):
        await world.submit(tenant_id=tenant_id, priority=9)
    await world.submit(queue="other")
    queues = (await store.figures()).queues
    assert 60 <= queues["default"].oldest_due_s < 65
    assert 0 <= queues["other"].oldest_due_s < 5


async def test_workers_are_counted_by_state_and_their_slots_by_queue(
    world: World, store: FiguresStore
) -> None:
    """One that drains, is lost or runs suspects has no room for anything; one that is over-full has none."""

    async def beat(worker: str, queues: list[str], running: int, me: Profile = ORDINARY) -> None:
        await world.workers.beat(worker, queues, slots=10, running=running, profile=me)

    await beat("lost", ["default"], 0)
    world.advance(TTL_S + 1)
    await beat("w1", ["default", "other"], 4)
    await beat("w2", ["default"], 11)
    await beat("w3", ["default"], 0, Profile(draining=True))
    await beat("w4", ["default"], 0, Profile(alone=True))
    figures = await store.figures()
    by_state = {state: figures.workers[state] for state in WorkerState}
    assert {WorkerState.ALIVE: 3, WorkerState.DRAINING: 1, WorkerState.LOST: 1} == by_state
    room = {name: (queue.slots, queue.free_slots) for name, queue in figures.queues.items()}
    assert {"default": (20, 6), "other": (10, 6)} == room


async def test_dead_letters_and_ends_to_tell_are_counted(world: World, store: FiguresStore) -> None:
    """Until they are looked at, and told."""
    parent = await world.submit()
    await world.submit(parent_task_id=parent.task_id)
    first, second = await world.claim(count=2)
    child = second if second.parent_task_id else first
    await world.workers.settle(world.lease(child), fail(ERROR, dead_letter=True))
    figures = await store.figures()
    assert (1, 1) == (figures.dead_letters, figures.ends_waiting)
    await world.upkeep.tell_ends(10)
    await world.tasks.discard("default", child.task_id)
    figures = await store.figures()
    assert (0, 0) == (figures.dead_letters, figures.ends_waiting)


async def test_deliveries_that_wait_are_counted(hooks: Hooks, store: FiguresStore) -> None:
    """Those that are tried again later too; how late the oldest is."""
    await hooks.subscribe("*")
    await hooks.world.submit()
    hooks.world.advance(30)
    figures = await store.figures()
    assert 1 == figures.deliveries_waiting
    assert 30 <= figures.oldest_delivery_s < 35
    await hooks.record(await hooks.claim_one(), "pending", retry_in_s=600.0)
    figures = await store.figures()
    assert (1, 0.0) == (figures.deliveries_waiting, figures.oldest_delivery_s)


#: Tasks of ten tenants, of which many have not ended: enough that one may be tempted to read all.
_MANY = text(
    """
    INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason, owner,
                      waiting_for, result, error, dead_letter_at, retry_policy, request_hash, created_at,
                      updated_at, completed_at, runnable_at, concurrency_key, gated)
    SELECT 't' || n % 10, 'task_' || md5(n::text), 'x', 'q' || n % 2, 'default', '{}', status,
           CASE status WHEN 'pending' THEN 'queued' WHEN 'waiting' THEN 'input'
                       WHEN 'failed' THEN 'error' END,
           CASE status WHEN 'running' THEN 'w' END, CASE status WHEN 'waiting' THEN '[]'::jsonb END,
           CASE status WHEN 'completed' THEN '{}'::jsonb END,
           CASE status WHEN 'failed' THEN '{}'::jsonb END, CASE status WHEN 'failed' THEN now() END,
           '{}', '', now(), now(), CASE WHEN status IN ('completed', 'failed') THEN now() END, now(),
           CASE WHEN n % 100 = 5 THEN 'k' END, n % 100 = 5
    FROM generate_series(1, 20000) AS n CROSS JOIN LATERAL (
        SELECT CASE WHEN n % 100 = 1 THEN 'running' WHEN n % 100 = 2 THEN 'waiting'
                    WHEN n % 100 = 3 THEN 'failed' WHEN n % 100 <= 40 THEN 'pending'
                    ELSE 'completed' END AS status
    ) AS one
    """
)


async def test_no_table_is_read_through_and_what_is_counted_is_bounded(database_url: str) -> None:
    """However many there are, and wherever those stand that have not ended; by the indexes that are meant."""
    database = Database(database_url, pool_size=2)
    tenants = text("INSERT INTO tenant SELECT 't' || n, 't', now() FROM generate_series(0, 9) AS n")
    explain = text("EXPLAIN (COSTS OFF) " + _FIGURES.text)
    asked = {"ttl_s": 10.0, "lanes": LANES, "most": MOST}
    async with database.begin() as connection:
        for statement in (_MANY, tenants, text("ANALYZE")):
            await connection.execute(statement)
        await connection.execute(_BOUNDED, {"ms": "2000"})
        plan = "\n".join((await connection.execute(explain, asked)).scalars())
    assert not re.search(r"(Seq|Bitmap Heap) Scan on task", plan)
    assert {
        "task_for_fair_claim",
        "task_for_gate",
        "task_for_owner",
        "task_for_list_by_status",
        "task_for_dead_letters",
    } == set(re.findall(r"using (\w+) on task\b", plan))
    counted = await SqlFiguresStore(database).figures()
    tasks = [sum(queue.tasks.values()) for queue in counted.queues.values()]
    assert (200, 8_000) == (counted.dead_letters, sum(tasks))
    bounded = await SqlFiguresStore(database, most=30).figures()
    assert (30, 30) == (bounded.dead_letters, bounded.queues["q0"].tasks[Status.PENDING])
    await database.close()


async def test_figures_that_take_too_long_are_none(database_url: str) -> None:
    """Here because somebody holds the table; the limit is not left to the next user of the connection."""
    database = Database(database_url, pool_size=2)
    store = SqlFiguresStore(database, patience_ms=20)
    async with database.driver() as holding, holding.transaction():
        await holding.execute("LOCK TABLE outbox")
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await store.figures()
    async with database.driver() as driver:
        assert "15s" == await driver.fetchval("SHOW statement_timeout")
    await database.close()
