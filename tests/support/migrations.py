"""A database at the revision of an older build."""

import asyncio
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from support.documents import ROOT


def migrated_to(revision: str, url: str) -> None:
    """As `opspawn migrate`, but no further than this."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "alembic"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    on(url, upgrade)


def on(url: str, work: Callable[[Connection], None]) -> None:
    """Does that with a connection of its own."""

    async def connected() -> None:
        engine = create_async_engine(url)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(work)
        finally:
            await engine.dispose()

    asyncio.run(connected())
