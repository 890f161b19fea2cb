"""What PostgreSQL does with a backlog: statements that run all the time must not read all of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, Ending, Lease
from ops_core.store import Database, SqlWorkerStore, plain
from ops_core.store.claim import _CLAIM, claim
from ops_core.store.endings import _END, end_together
from ops_core.store.gates import _OPEN, _OPENABLE, _STATE
from ops_core.store.get_together import _GET, get_together
from ops_core.store.retention import _TASKS
from ops_core.store.upkeep import _EXPIRED, _TAKE_RINGS
from ops_core.store.worker import _APPEND, _append
from ops_core.task import Usage

#: No lane was emptied by others in this claim.
NOT_BEATEN: dict[str, Any] = {
    "beaten_queues": [],
    "beaten_tenants": [],
    "beaten_priorities": [],
    "sharing": None,
    "periods": ["day"],
}

pytestmark = pytest.mark.conformance

#: Enough rows that reading all of them is never the cheaper plan.
BACKLOG = text(
    """
    INSERT INTO task (tenant_id, task_id, task_type, queue, agent, input_data, status, reason,
                      retry_policy, request_hash, created_at, updated_at, runnable_at, ring_at,
                      deadline_at, concurrency_key, gated)
    SELECT 'default', 'task_' || md5(n::text), 'x', 'q' || n % 3, 'default', '{}', 'pending', 'queued',
           '{}', '', now(), now(), now() - n * interval '1 ms', now() - n * interval '1 ms',
           CASE WHEN n % 10 = 0 THEN now() + interval '1 hour' END,
           CASE WHEN n % 7 = 0 THEN 'k' || n % 5 END, n % 14 = 0
    FROM generate_series(1, :rows) AS n
    """
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await SqlWorkerStore(database).beat("w1", ["q0", "q1"], slots=10, running=0)
    yield database
    await database.close()


async def _backlog(database: Database, rows: int) -> None:
    async with database.begin() as connection:
        await connection.execute(BACKLOG, {"rows": rows})
        await connection.execute(text("ANALYZE"))


@pytest.mark.parametrize(
    ("statement", "index", "parameters"),
    [
        (_CLAIM, "task_for_fair_claim", {"queues": ["q0"], **NOT_BEATEN}),
        (_CLAIM, "task_for_fair_claim", {"queues": ["q0", "q1"], **NOT_BEATEN}),
        (
            _OPENABLE,
            "task_for_gate",
            {"limit": 100, "after_tenant": "", "after_key": "", "default": 1},
        ),
        (_OPEN, "task_for_gate", {"tenant_id": "default", "key": "k1", "room": 2}),
        (_STATE, "task_for_key", {"tenant_id": "default", "key": "k1"}),
        (_TAKE_RINGS, "task_for_wake", {"limit": 10, "grace_s": 5.0, "grace_max_s": 300.0}),
        (_EXPIRED, "task_for_deadline", {"limit": 500}),
        (
            _TASKS,
            "task_for_retention",
            {"limit": 500, "older_than_s": 86_400.0, "tenants": [], "budgets": []},
        ),
    ],
    ids=[
        *("claim", "claim_from_two_queues", "gates", "gate", "inside", "rings", "deadlines"),
        "retention",
    ],
)
async def test_a_backlog_is_not_read_through(
    database: Database, statement: TextClause | str, index: str, parameters: dict[str, Any]
) -> None:
    """The index that a statement names serves it."""
    await _backlog(database, 5000)
    known = {"worker_id": "w1", "count": 8, "type": "task.claimed", "ttl_s": 10.0} | parameters
    sql = statement if isinstance(statement, str) else statement.text
    explain = text("EXPLAIN (COSTS OFF) " + sql)
    asked = {name: known[name] for name in explain.compile().params}
    async with database.begin() as connection:
        plan = "\n".join((await connection.execute(explain, asked)).scalars())
    assert index in plan
    assert "Seq Scan on task" not in plan


async def test_the_plan_of_a_claim_is_kept(database: Database) -> None:
    """What the server makes once, for whatever is claimed, reads no backlog through either."""
    await _backlog(database, 5000)
    statement, names = plain.numbered(_CLAIM)
    given = {"worker_id": "'w1'", "queues": "'{q0}'", "type": "'task.claimed'", "count": "8"}
    arguments = ", ".join(given.get(name, "NULL") for name in names)
    async with database.driver() as driver:
        for _ in range(8):  # it decides after the fifth
            await claim(driver, "w1", ["q0"], 1)
        kept = await driver.fetchrow(
            "SELECT name, generic_plans FROM pg_prepared_statements WHERE statement = $1", statement
        )
        assert kept is not None
        explained = await driver.fetch(f"EXPLAIN EXECUTE {kept['name']} ({arguments})")
    plan = "\n".join(line for (line,) in explained)
    assert 3 == kept["generic_plans"]
    assert "task_for_fair_claim" in plan
    assert "Seq Scan on task" not in plan


@pytest.mark.parametrize("statement", [_APPEND, _END, _GET], ids=["steps", "ends", "reads"])
async def test_the_plan_of_what_a_lone_task_does_is_kept(
    database: Database, statement: str
) -> None:
    """To plan these takes as long as to do them. What is made once looks rows up under their keys."""
    await _backlog(database, 5000)
    lease, event = Lease("default", "task_x", "w1", 1), NewEvent(type=EventType.STEP_RECORDED)
    async with database.driver() as driver:
        for _ in range(8):  # it decides after the fifth
            await _append(driver, [Append(lease, [event], Usage())])
            await end_together(driver, [Ending(lease, complete({}))])
            await get_together(driver, "default", ["task_x"])
        kept = await driver.fetchrow(
            "SELECT name, generic_plans, cardinality(parameter_types) AS count"
            " FROM pg_prepared_statements WHERE statement = $1",
            statement,
        )
        assert kept is not None
        nulls = ", ".join(["NULL"] * kept["count"])
        explained = await driver.fetch(f"EXPLAIN EXECUTE {kept['name']} ({nulls})")
    assert 3 == kept["generic_plans"]
    assert not [line for (line,) in explained if "Seq Scan on task" in line]


async def _claim(connection: AsyncConnection, worker: str, queues: list[str], count: int) -> Any:
    """A claim inside the transaction of the test."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await connection.execute(
        text("SELECT")
    )  # SQLAlchemy begins with the first statement that it sees
    return await claim(driver, worker, queues, count)


async def test_a_claim_locks_only_what_it_takes(database: Database) -> None:
    """While one worker claims from two queues, what it does not take is free for another."""
    await SqlWorkerStore(database).beat("w2", ["q0", "q1"], slots=10, running=0)
    await _backlog(database, 2)
    async with database.begin() as first, database.begin() as second:
        [mine] = await _claim(first, "w1", ["q1", "q2"], 1)
        [theirs] = await _claim(second, "w2", ["q1", "q2"], 1)
    assert {"q1", "q2"} == {mine["queue"], theirs["queue"]}


async def test_a_claim_that_was_beaten_in_one_queue_looks_at_the_others(database: Database) -> None:
    """The best row is in other hands this moment: the worker takes the next best, in another queue."""
    await _backlog(database, 4)
    async with database.begin() as other, database.begin() as connection:
        await other.execute(text("SELECT FROM task WHERE queue = 'q2' FOR NO KEY UPDATE"))
        claimed = await _claim(connection, "w1", ["q0", "q1", "q2"], 3)
    assert ["q1", "q0", "q1"] == [row["queue"] for row in claimed]


async def test_ten_thousand_tasks_of_one_tenant_delay_no_other(database: Database) -> None:
    """Of ten claims of one task each, made at once, one has the other tenant's only task."""
    workers = SqlWorkerStore(database)
    await _backlog(database, 10_000)
    async with database.begin() as connection:
        await connection.execute(
            text(
                """
                UPDATE task SET tenant_id = 'other', runnable_at = now() WHERE task_id =
                    (SELECT min(task_id) FROM task WHERE queue = 'q0' AND NOT gated)
                """
            )
        )
    names = [f"w{n}" for n in range(1, 11)]
    for name in names:
        await workers.beat(name, ["q0"], slots=1, running=0)
    rounds = await asyncio.gather(*(workers.claim(name, ["q0"], 1) for name in names))
    assert 1 == [task.tenant_id for claimed in rounds for task in claimed].count("other")


async def test_a_lane_that_others_are_emptying_is_passed_over(database: Database) -> None:
    """The next tenant's tasks are claimed instead: no worker goes to sleep beside them."""
    await _backlog(database, 6)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE task SET queue = 'q0', gated = false"))
        await connection.execute(
            text("UPDATE task SET tenant_id = 'a' WHERE task_id = (SELECT min(task_id) FROM task)")
        )
    async with database.begin() as other, database.begin() as connection:
        await other.execute(text("SELECT FROM task WHERE tenant_id = 'a' FOR NO KEY UPDATE"))
        [claimed] = await _claim(connection, "w1", ["q0"], 1)
    assert "default" == claimed["tenant_id"]
