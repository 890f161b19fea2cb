"""What PostgreSQL itself enforces, whatever the code above it believes."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ops_core.api.views import EventView, TaskView
from ops_core.moves import Move, cancel, complete, fail, release
from ops_core.ports import TaskKey
from ops_core.rpc.convert import task_message
from ops_core.store import Database, SqlTaskStore
from ops_core.store.moves import apply
from ops_core.task import NewTask, TaskError, new_task_id

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="y")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


async def _submit(database: Database) -> TaskKey:
    new = NewTask(task_id=new_task_id(), tenant_id="default", task_type="x", input_data={})
    task, _ = await SqlTaskStore(database).submit(new)
    return TaskKey(task.tenant_id, task.task_id)


@pytest.mark.parametrize("move", [complete({}), release("drained")])
async def test_a_move_from_a_state_it_may_not_start_from_changes_nothing(
    database: Database, move: Move
) -> None:
    """The guard of the UPDATE is the transition table, even for a caller who forgot it."""
    key = await _submit(database)
    async with database.begin() as connection:
        assert await apply(connection, key, move) is None
    assert "pending" == (await SqlTaskStore(database).get(*key)).status


async def test_a_terminal_state_absorbs_in_sql(database: Database) -> None:
    """After the first terminal move no other one applies."""
    key = await _submit(database)
    async with database.begin() as connection:
        assert await apply(connection, key, cancel()) is not None
        assert await apply(connection, key, fail(ERROR)) is None


@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'paused'",
        "status = 'running'",
        "status = 'completed', reason = NULL",
        "status = 'completed', reason = NULL, completed_at = now()",
        "status = 'failed', reason = 'error', completed_at = now()",
        "status = 'failed', reason = 'queued', error = '{}', completed_at = now()",
        "status = 'waiting', reason = 'queued'",
        "owner = 'somebody'",
        "completed_at = now()",
        "reason = NULL",
        "epoch = -1",
    ],
)
async def test_a_row_that_breaks_a_rule_is_refused(database: Database, assignment: str) -> None:
    """CHECK constraints state the rules of the states a second time."""
    await _submit(database)
    with pytest.raises(DBAPIError, match="task_"):
        async with database.begin() as connection:
            await connection.execute(text("UPDATE task SET " + assignment))  # noqa: S608


async def test_rows_of_a_newer_build_can_be_read(database: Database) -> None:
    """Unknown types of events, reasons and keys are passed on, or passed over: nothing fails on them."""
    key = await _submit(database)
    async with database.begin() as connection:
        for newer in (
            "ALTER TABLE task DROP CONSTRAINT task_reason_fits",
            """UPDATE task SET reason = 'paused', error = '{"type": "x", "message": "y", "hint": "z"}',
                               retry_policy = '{"max_attempts": 7, "shape": "linear"}'""",
            "UPDATE event SET type = 'task.paused'",
        ):
            await connection.execute(text(newer))
    store = SqlTaskStore(database)
    task = await store.get(*key)
    [event] = await store.events(*key, after=0, limit=1)
    assert ("paused", 7, "task.paused") == (task.reason, task.retry_policy.max_attempts, event.type)
    assert TaskError(type="x", message="y") == task.error
    assert "paused" == TaskView.of(task).reason == task_message(task).reason
    assert "task.paused" == EventView.of(event).type


async def test_an_error_does_not_carry_what_clients_sent(database: Database) -> None:
    """What is logged about a failed statement holds no parameters."""
    with pytest.raises(DBAPIError) as failed:
        async with database.begin() as connection:
            await connection.execute(text("SELECT 1 / :n, :secret"), {"n": 0, "secret": "hunter2"})
    assert "hunter2" not in str(failed.value)
