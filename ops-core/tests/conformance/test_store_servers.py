"""What the store says of a server that cannot serve it, and how a worker's presence outlives one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import Connection, event, make_url, text

from ops_core.errors import StoreUnavailable
from ops_core.store import Database, Presence, SqlTaskStore
from ops_core.task import NewTask, new_task_id

pytestmark = pytest.mark.conformance


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[tuple[Database, SqlTaskStore]]:
    database = Database(url)
    try:
        yield database, SqlTaskStore(database)
    finally:
        await database.close()


async def _run(url: str, statement: str) -> None:
    async with _store(url) as (database, _), database.begin() as connection:
        await connection.execute(text(statement))


async def test_a_migrated_database_is_ready(database_url: str) -> None:
    """`check` returns the revision of the schema."""
    async with _store(database_url) as (_, store):
        assert (await store.check()).isalnum()


async def test_a_database_whose_migration_did_not_finish_is_not_ready(database_url: str) -> None:
    """A version table without a version is no schema."""
    await _run(database_url, "DELETE FROM alembic_version")
    async with _store(database_url) as (_, store):
        with pytest.raises(StoreUnavailable, match="opspawn migrate"):
            await store.check()


async def test_an_empty_database_is_not_ready(empty_database_url: str) -> None:
    """Without tables the operator is told to make them."""
    async with _store(empty_database_url) as (_, store):
        with pytest.raises(StoreUnavailable, match="opspawn migrate"):
            await store.check()


async def test_missing_rights_are_not_told_as_missing_tables(database_url: str) -> None:
    """A role that may not read is sent to its rights, not to a migration that would change nothing."""
    await _run(database_url, "REVOKE ALL ON alembic_version FROM PUBLIC")
    async with _store(database_url) as (database, store):
        event.listen(database.engine.sync_engine, "begin", _become_somebody_else)
        with pytest.raises(StoreUnavailable, match="rights"):
            await store.check()


def _become_somebody_else(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL ROLE pg_monitor")


async def test_a_server_that_takes_no_writes_is_not_ready(database_url: str) -> None:
    """A standby is neither ready nor a bug of ours when something is submitted to it."""
    name = make_url(database_url).database
    await _run(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    new = NewTask(task_id=new_task_id(), tenant_id="default", task_type="x", input_data={})
    async with _store(database_url) as (_, store):
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.check()
        with pytest.raises(StoreUnavailable):
            await store.submit(new)


@pytest.mark.parametrize("wrong", [{"database": "no_such"}, {"username": "nobody_we_know"}])
async def test_a_wrong_address_is_an_unavailable_store(
    database_url: str, wrong: dict[str, str]
) -> None:
    """A database or a role that is not there is the operator's to mend."""
    url = make_url(database_url).set(**wrong)  # type: ignore[arg-type]
    async with _store(url.render_as_string(hide_password=False)) as (_, store):
        with pytest.raises(StoreUnavailable):
            await store.check()


async def test_a_timeout_of_the_worker_is_its_own(database_url: str) -> None:
    """What is raised inside the block is not taken for trouble with the lock."""
    with pytest.raises(TimeoutError, match="mine"):
        async with Presence(database_url).held("w1"):
            raise TimeoutError("mine")


async def test_a_presence_moves_on_from_a_host_that_fell_silent(database_url: str) -> None:
    """A connection that nobody answers on is given up, although nothing has closed it."""
    url = make_url(database_url)
    async with _line_to(url.host or "", url.port or 5432) as line:
        through = url.set(host="127.0.0.1", port=line.port)
        presence = Presence(through.render_as_string(hide_password=False), ask_s=0.05, answer_s=0.2)
        async with asyncio.timeout(20), presence.held("w1"):
            line.cut()
            await line.connected_again.wait()


class _Line:
    """A line to a server that can fall silent: what is on it then is kept open and carries nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[asyncio.Event] = []
        self.connected_again = asyncio.Event()
        self.port = 0

    def cut(self) -> None:
        for silent in self._open:
            silent.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if any(silent.is_set() for silent in self._open):
            self.connected_again.set()
        self._open.append(silent := asyncio.Event())
        there, to = await asyncio.open_connection(*self._server)
        try:
            await asyncio.gather(_pass(reader, to, silent), _pass(there, writer, silent))
        finally:
            writer.close()
            to.close()


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            if not silent.is_set():
                writer.write(data)
        writer.close()


@asynccontextmanager
async def _line_to(host: str, port: int) -> AsyncIterator[_Line]:
    line = _Line(host, port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
