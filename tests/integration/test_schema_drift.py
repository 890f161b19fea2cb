"""The tables as SQLModel sees them are those that the migrations make."""

import asyncio

import pytest
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from opspawn.migrate import _config

pytestmark = pytest.mark.integration


def test_models_and_migrations_do_not_drift_apart(database_url: str) -> None:
    """As `alembic check` finds it: it raises for the first difference."""

    def check(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.check(config)

    async def main() -> None:
        engine = create_async_engine(database_url)
        async with engine.connect() as connection:
            await connection.run_sync(check)
        await engine.dispose()

    asyncio.run(main())
