"""Brings a database to the schema of this build. The migrations travel inside the wheel."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine


def upgrade(url: str) -> None:
    """Applies what is missing; does nothing on a current database.

    `url` is postgresql+asyncpg://…, a direct connection (the migration lock belongs to a session, which a
    transaction pooler would take away). Raises SQLAlchemy's or asyncpg's error when the database is away.
    """

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    asyncio.run(_with_connection(url, run))


def current(url: str) -> tuple[str | None, str]:
    """The revision of the database (None when it has none) and the one that this build needs."""
    found: list[str | None] = []

    def run(connection: Connection) -> None:
        found.append(MigrationContext.configure(connection).get_current_revision())

    asyncio.run(_with_connection(url, run))
    return found[0], head()


def head() -> str:
    """The revision that this build needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("this build of opspawn carries no migrations: it was packaged wrongly")
    return revision


def is_behind(revision: str) -> bool:
    """Whether a database at `revision` lacks migrations of this build.

    A revision that this build does not know comes from a newer one, which old code runs beside.
    """
    scripts = ScriptDirectory.from_config(_config())
    older = {script.revision for script in scripts.walk_revisions()} - {head()}
    return revision in older


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


def _scripts() -> Path:
    """Inside a wheel the migrations are `opspawn/_migrations`; in a checkout, the top-level `alembic/`."""
    here = Path(__file__).resolve().parent
    shipped = here / "_migrations"
    return shipped if shipped.is_dir() else here.parents[1] / "alembic"


async def _with_connection(url: str, run: Callable[[Connection], None]) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()
