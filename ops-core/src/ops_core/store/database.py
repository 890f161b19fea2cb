"""The pool of connections, and the one place where the database's errors become ours."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import greenlet_spawn

from ops_core.errors import StoreUnavailable
from ops_core.identity.tenants import is_tenant_id

#: PostgreSQL's own limits for every connection of ours. Without them a frozen process that holds a row
#: lock inside a transaction stops everybody else for ever. Milliseconds.
SESSION_LIMITS: Final = {
    "lock_timeout": "3000",
    "statement_timeout": "15000",
    "idle_in_transaction_session_timeout": "10000",
    "tcp_user_timeout": "10000",
    # Never weaker where a promise is made: with `off`, a crash lost accepted rows.
    "synchronous_commit": "on",
    # Our statements read few rows, whatever the planner fears; to compile one takes longer than to run it.
    "jit": "off",
    "application_name": "opspawn",
}

#: How long to wait for the server to accept a connection. Seconds.
CONNECT_TIMEOUT_S: Final = 3.0

#: How long to wait for the answer to a statement: a server whose host died, or that a firewall has forgotten,
#: closes nothing and answers never. More than the server's own limit, which is told better. Seconds.
ANSWER_TIMEOUT_S: Final = 20.0

#: How long to wait for a free connection of the pool: many short transactions share it. Seconds.
POOL_TIMEOUT_S: Final = 10.0

#: What the driver says of a connection that broke under it. SQLAlchemy does not know these for what they
#: are, so the pool must be told to throw the connection away.
_BROKEN: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)

#: SQLSTATE classes that say "not now": connection trouble, no resources, operator intervention, I/O errors,
#: and 55P03/40xxx for a lock that was not free or a deadlock. A server that takes no writes (25006: a
#: standby), does not know our role (28) or our database (3D000) is the operator's to mend: no request and no
#: task is at fault.
_PASSING: Final = ("08", "53", "57", "58", "55P03", "40", "25006", "28", "3D000")


# Takes the role of the doors and names the tenant, both until the transaction ends: the one round trip that
# row-level security costs. A door that forgets a WHERE still meets no other tenant's rows.
_ACT_FOR: Final = """
    SELECT set_config('role', 'opspawn_api', true), set_config('opspawn.tenant', $1, true)
"""


class Database:
    """A pool over one PostgreSQL, shared by the stores of a process.

    `url` is postgresql+asyncpg://…; nothing connects before the first use.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._most = 0  # connections that were in use at once, since `shrink` last looked
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_S,
            # Who is alone always has the same one, whose plans and caches are warm.
            pool_use_lifo=True,
            hide_parameters=True,  # an error that is logged must not carry clients' data
            json_serializer=dump_json,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": answer_timeout_s,
                "server_settings": SESSION_LIMITS,
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end of the block. Raises `StoreUnavailable`."""
        async with translated(), self.engine.begin() as connection:
            self._count()
            try:
                yield connection
            except _BROKEN:
                await connection.invalidate()
                raise

    @asynccontextmanager
    async def begin_for(self, tenant_id: str) -> AsyncIterator[AsyncConnection]:
        """A transaction of a door: it sees and writes the rows of one tenant, whatever its statements say.

        Raises `StoreUnavailable`.
        """
        async with self.begin() as connection:
            await connection.exec_driver_sql(_ACT_FOR, (tenant_id,))
            yield connection

    @asynccontextmanager
    async def driver(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A plain asyncpg connection for the step path; each statement is its own transaction.

        Raises `StoreUnavailable`.
        """
        async with self._connected() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                async with translated():
                    yield driver
            except StoreUnavailable:
                # The pool saw nothing of the error: it must not hand this connection out again.
                await connection.invalidate()
                raise
            finally:
                if not driver.is_closed() and driver.is_in_transaction():  # its end was cancelled
                    await connection.invalidate()

    @asynccontextmanager
    async def driver_for(self, tenant_id: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """As `begin_for`, on a plain asyncpg connection: for what doors do all the time.

        Raises `StoreUnavailable`.
        """
        async with self.driver() as driver:
            try:
                await driver.execute(_begin_for(tenant_id))
                yield driver
            except BaseException:
                await driver.execute("ROLLBACK")
                raise
            await driver.execute("COMMIT")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with translated(), self.engine.connect() as connection:
            self._count()
            yield connection

    def _count(self) -> None:
        self._most = max(self._most, self._pool.checkedout())

    @property
    def _pool(self) -> QueuePool:
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)
        return pool

    async def shrink(self) -> None:
        """Closes all connections when none is in use and fewer were needed at once since the last call.

        The next ones to be needed are opened again. Without this a pool keeps for ever what a busy moment has
        opened, and each is a process of PostgreSQL, with a memory of its own.
        """
        most, self._most = self._most, 0
        unused = self._pool
        if unused.checkedout() or unused.checkedin() <= max(1, most):
            return
        # A new pool in place of this one, at once: nobody can take a connection that is about to be closed.
        self.engine.sync_engine.dispose(close=False)
        await greenlet_spawn(unused.dispose)

    async def close(self) -> None:
        await self.engine.dispose()


def _begin_for(tenant_id: str) -> str:
    """`BEGIN` and `_ACT_FOR` in one message, which takes no parameters: nothing in an id can end its text.

    Raises `ValueError` for what is no tenant's id.
    """
    if not is_tenant_id(tenant_id):
        raise ValueError("this is not the id of a tenant")
    return (
        "BEGIN; SELECT set_config('role', 'opspawn_api', true), "
        f"set_config('opspawn.tenant', '{tenant_id}', true)"
    )


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns the driver's and SQLAlchemy's errors that mean "the store is away" into `StoreUnavailable`.

    Every other error is a bug of ours (a statement that does not fit the schema) and passes through.
    """
    try:
        yield
    except (OSError, PoolTimeout, TimeoutError, InterfaceError) as error:
        raise StoreUnavailable(f"PostgreSQL cannot be reached: {reason(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated or _passing(error.orig):
            raise StoreUnavailable(f"PostgreSQL cannot be used now: {reason(error)}") from error
        raise
    except asyncpg.PostgresError as error:
        if _passing(error):
            raise StoreUnavailable(f"PostgreSQL cannot be used now: {reason(error)}") from error
        raise
    except _BROKEN as error:
        raise StoreUnavailable(f"PostgreSQL cannot be used now: {reason(error)}") from error


def _refuse_closed(dbapi_connection: Any, *_: object) -> None:
    """A connection that the server has closed meanwhile is replaced, and no request pays for it."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def _passing(error: object) -> bool:
    state = getattr(error, "sqlstate", None)
    # No state at all: the connection broke before the server could answer.
    return state is None or state.startswith(_PASSING)


def is_about_one(error: StoreUnavailable) -> bool:
    """Whether one row of many was the cause: a lock that was not free, or a deadlock."""
    return getattr(error.__cause__, "sqlstate", None) in {"55P03", "40P01"}


def reason(error: BaseException) -> str:
    """One line for a log: never the statement's parameters, which are clients' data."""
    original = getattr(error, "orig", None) or error
    lines = str(original).splitlines()
    return f"{type(original).__name__}: {lines[0][:200]}" if lines else type(original).__name__


#: Made once: `json.dumps` with these would make one for each value.
_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dump_json(value: object) -> str:
    """JSON as we store it: compact, and refusing what is not JSON (NaN, infinities)."""
    return _JSON.encode(value)
