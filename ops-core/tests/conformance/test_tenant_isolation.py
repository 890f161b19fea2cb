"""Tenants are kept apart by PostgreSQL itself: what a door cannot do, whatever its statements say."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.answers import answer
from ops_core.ask import AskKind
from ops_core.asks.port import AskFilter
from ops_core.errors import OpsError, StoreUnavailable
from ops_core.identity.audit import AuditEntry
from ops_core.identity.keys import NewApiKey, digest, new_key_text
from ops_core.ports import TaskFilter
from ops_core.scopes import Scope
from ops_core.store import (
    Database,
    SqlAskStore,
    SqlAuditStore,
    SqlKeyStore,
    SqlTaskStore,
    SqlTenantStore,
    SqlUpkeepStore,
    SqlWorkerStore,
    check_isolation,
)
from ops_core.task import NewTask, Status, new_task_id

pytestmark = pytest.mark.conformance

#: The tables with tenants' rows, whoever added them.
TABLES = text(
    """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    """
)

GUARDED = text(
    """
    SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
    WHERE c.relrowsecurity
    GROUP BY c.relname
    HAVING bool_or('opspawn_api'::regrole = ANY (p.polroles))
       AND bool_or('opspawn_worker'::regrole = ANY (p.polroles))
    """
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=3)
    yield database
    await database.close()


async def submit(database: Database, tenant_id: str) -> str:
    new = NewTask(task_id=new_task_id(), tenant_id=tenant_id, task_type="x", input_data={})
    task, _ = await SqlTaskStore(database).submit(new)
    return task.task_id


async def ask(database: Database, task_id: str) -> str:
    """An approval of the tenant `default`, as its row."""
    row = text(
        """
        INSERT INTO ask (ask_id, task_id, kind, step, generation, status, asked, requested_at)
        VALUES ('apr_1', :task_id, 'approval', '1/tool/1', 1, 'pending', '{"tool": "x"}', ops_now())
        """
    )
    async with database.begin_for("default") as connection:
        await connection.execute(row, {"task_id": task_id})
    return "apr_1"


async def count(connection: AsyncConnection, table: str = "task") -> int:
    return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608


async def test_every_table_with_tenants_has_policies(database: Database) -> None:
    """A migration that adds one and forgets `ops_isolate` fails here."""
    async with database.begin() as connection:
        tables = set((await connection.execute(TABLES)).scalars())
        guarded = set((await connection.execute(GUARDED)).scalars())
    assert {"task", "event", "api_key", "audit"} <= tables
    assert tables == guarded


async def test_a_door_sees_the_rows_of_its_tenant_whatever_it_asks(database: Database) -> None:
    """Without any WHERE."""
    await submit(database, "default")
    await submit(database, "acme")
    async with database.begin_for("acme") as connection:
        assert (1, 1) == (await count(connection), await count(connection, "event"))
        tenants = await connection.execute(text("SELECT DISTINCT tenant_id FROM task"))
        assert ["acme"] == list(tenants.scalars())


async def test_without_a_tenant_a_door_sees_nothing(database: Database) -> None:
    """Also on a connection that has served a tenant before."""
    await submit(database, "default")
    async with database.begin_for("default") as connection:
        assert 1 == await count(connection)
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL ROLE opspawn_api"))
        assert 0 == await count(connection)
    async with database.begin_for("") as connection:
        assert 0 == await count(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ops_unfinished('default')",
        "SELECT ops_backlog()",
        "INSERT INTO load_change (tenant_id, change) VALUES ('acme', -1)",
        "UPDATE tenant_load SET unfinished = 0",
        "INSERT INTO tenant_turn (tenant_id, turn) VALUES ('acme', 0)",
    ],
)
async def test_a_door_neither_sees_nor_changes_what_is_counted(
    database: Database, statement: str
) -> None:
    """It may ask whether there is room; triggers count."""
    async with database.begin_for("acme") as connection:
        refused = await connection.scalar(text("SELECT ops_refusal('acme', 5, 5)"))
    assert refused is None
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.begin_for("acme") as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize("statement", ["UPDATE task SET priority = 1", "DELETE FROM task"])
async def test_a_door_changes_no_row_of_another_tenant(database: Database, statement: str) -> None:
    """It finds none to change."""
    task_id = await submit(database, "default")
    async with database.begin_for("acme") as connection:
        done: Any = await connection.execute(text(statement))
        assert 0 == done.rowcount
    assert 0 == (await SqlTaskStore(database).get("default", task_id)).priority


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE task SET tenant_id = 'default'",
        "INSERT INTO outbox (tenant_id, task_id) VALUES ('default', 'x')",
    ],
)
async def test_a_door_writes_no_row_for_another_tenant(database: Database, statement: str) -> None:
    """PostgreSQL refuses it."""
    await submit(database, "acme")
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.begin_for("acme") as connection:
            await connection.execute(text(statement))


async def test_the_role_and_the_tenant_end_with_the_transaction(database: Database) -> None:
    """Committed or rolled back: the next user of the connection is nobody in particular."""
    async with database.begin_for("acme"):
        pass
    await _is_nobody(database)
    with pytest.raises(RuntimeError):
        async with database.begin_for("acme"):
            raise RuntimeError
    await _is_nobody(database)


async def test_workers_and_dispatchers_serve_every_tenant(database: Database) -> None:
    """As the owner of the tables, and as a member of opspawn_worker that owns none."""
    for tenant_id in ("default", "acme"):
        await submit(database, tenant_id)
    workers = SqlWorkerStore(database)
    await workers.beat("w", ["default"], slots=2, running=0)
    claimed = await workers.claim("w", ["default"], 2)
    assert {"default", "acme"} == {task.tenant_id for task in claimed}
    assert 0 == await SqlUpkeepStore(database).expire(10)
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL ROLE opspawn_worker"))
        assert 2 == await count(connection)


async def test_a_door_adds_to_the_audit_log_and_changes_nothing_in_it(database: Database) -> None:
    entry = AuditEntry(tenant_id="default", subject="me", action="x", object="", request_id="r")
    await SqlAuditStore(database).write(entry)
    for statement in ("DELETE FROM audit", "UPDATE audit SET subject = 'you'"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.begin_for("default") as connection:
                await connection.execute(text(statement))


async def test_acting_for_a_tenant_costs_one_statement(database: Database) -> None:
    """One round trip more than the statements of the transaction itself."""
    statements: list[str] = []

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    async with database.begin_for("default") as connection:
        await count(connection)
    assert 2 == len(statements)


async def test_a_database_without_the_role_or_a_policy_is_told_with_the_remedy(
    database: Database,
) -> None:
    """A door must not start there."""
    await check_isolation(database)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE blob DISABLE ROW LEVEL SECURITY"))
    with pytest.raises(StoreUnavailable, match="off for blob; run SELECT ops_isolate"):
        await check_isolation(database)


async def test_no_call_of_a_door_reaches_another_tenant(database: Database) -> None:
    """Each verb of each store, asked for a task, a key and a log that are another tenant's."""
    tasks, keys, asks = SqlTaskStore(database), SqlKeyStore(database), SqlAskStore(database)
    task_id = await submit(database, "default")
    ask_id = await ask(database, task_id)
    text_ = new_key_text()
    told = AuditEntry(tenant_id="acme", subject="me", action="x", object="", request_id="r")
    new = NewApiKey(
        tenant_id="default",
        key_id=text_.key_id,
        name="n",
        scopes=frozenset({Scope.ADMIN}),
        secret_hash=digest(text_.secret),
        created_by="x",
    )
    await keys.create(new, replace(told, tenant_id="default"))
    first = replace(new, tenant_id="acme", key_id=new_key_text().key_id)
    await SqlTenantStore(database).create("acme", "Acme", first, told)
    calls: list[Awaitable[object]] = [
        tasks.get("acme", task_id),
        tasks.events("acme", task_id, after=0, limit=10),
        tasks.cancel("acme", task_id),
        tasks.retry("acme", task_id),
        tasks.log("acme", task_id),
        tasks.signal("acme", task_id, answer(None, "yes")),
        tasks.discard("acme", task_id),
        asks.get_ask("acme", AskKind.APPROVAL, ask_id),
        keys.get("acme", text_.key_id),
        keys.rotate("acme", text_.key_id, digest("x"), 0, told),
        keys.revoke("acme", text_.key_id, told),
    ]
    for call in calls:
        with pytest.raises(OpsError, match="There is no"):
            await call
    assert 0 == (await tasks.page("acme", TaskFilter(), limit=10, cursor=None)).total
    where = AskFilter(kind=AskKind.APPROVAL)
    assert 0 == (await asks.ask_page("acme", where, limit=10, cursor=None)).total
    assert ask_id == (await asks.get_ask("default", AskKind.APPROVAL, ask_id)).ask_id
    assert Status.PENDING is (await tasks.get("default", task_id)).status


async def _is_nobody(database: Database) -> None:
    """Neither another role than that of the login, nor a tenant."""
    asked = text("SELECT current_user = session_user, current_setting('opspawn.tenant', true)")
    async with database.begin() as connection:
        assert (True, "") == tuple((await connection.execute(asked)).one())
