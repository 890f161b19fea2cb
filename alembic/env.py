"""Runs the migrations over one connection, under a lock, so that two starters do not race.

`opspawn.migrate` hands the connection in through `config.attributes`; the `alembic` command of a developer
takes DATABASE_URL from the settings.
"""

import asyncio
import time

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from ops_core.store import (  # noqa: F401  # they bring their tables
    agents_tables,
    ask_tables,
    flow_tables,
    identity_tables,
    schedule_tables,
    webhook_tables,
)
from ops_core.store.tables import METADATA

#: Any number that nobody else uses as an advisory lock: two migrations must not run at once.
MIGRATION_LOCK = 0x6F70_7370

#: How long to wait for another migration to end, and how often to look. Seconds.
TURN_S = 60.0
ASK_S = 0.1


def run(connection: Connection) -> None:
    # lock_timeout: a migration must not queue behind a long transaction and stop every client with it.
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()
    wait_for_turn(connection)
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        # An index that is built concurrently stands outside of every transaction.
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
    connection.commit()


def wait_for_turn(connection: Connection) -> None:
    """Asks again and again, each time in a transaction of its own.

    Who waits for the lock inside of one has a snapshot, for whose end an index that is built concurrently
    waits, for ever.
    """
    until = time.monotonic() + TURN_S
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": MIGRATION_LOCK}):
        connection.commit()
        if time.monotonic() > until:
            raise asyncpg.LockNotAvailableError("another migration is under way; wait for its end")
        time.sleep(ASK_S)
    connection.commit()


async def run_from_settings() -> None:
    from opspawn.settings import load

    settings = load()
    url = settings.database_direct_url or settings.database_url
    if url is None:
        raise SystemExit("DATABASE_URL is not set: the alembic command needs a database.")
    engine = create_async_engine(url.get_secret_value())
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


handed_in = context.config.attributes.get("connection")
if handed_in is None:
    asyncio.run(run_from_settings())
else:
    run(handed_in)
