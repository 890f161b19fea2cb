"""Brings a database to the schema of this build. The migrations travel inside the wheel.

Alembic is imported when there is something to apply: it holds 8 MB, and most starts find a current database.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

if TYPE_CHECKING:
    from alembic.config import Config

Found = TypeVar("Found")

_IS_THERE: Final = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION: Final = text("SELECT version_num FROM alembic_version")


def upgrade(url: str) -> None:
    """Applies what is missing; does nothing on a current database, or on one of a newer build.

    `url` is postgresql+asyncpg://…, a direct connection (the migration lock belongs to a session, which a
    transaction pooler would take away). Raises SQLAlchemy's or asyncpg's error when the database is away.
    """

    def run(connection: Connection) -> None:
        revision = _revision(connection)
        if revision is not None and not is_behind(revision):
            return
        from alembic import command

        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    asyncio.run(_with_connection(url, run))


def current(url: str) -> tuple[str | None, str]:
    """The revision of the database (None when it has none) and the one that this build needs."""
    return asyncio.run(_with_connection(url, _revision)), head()


def head() -> str:
    """The revision that this build needs."""
    return _revisions()[-1]


def is_behind(revision: str) -> bool:
    """Whether a database at `revision` lacks migrations of this build.

    A revision that this build does not know comes from a newer one, which old code runs beside.
    """
    return revision in _revisions()[:-1]


def _revision(connection: Connection) -> str | None:
    is_there = connection.scalar(_IS_THERE)
    revision: str | None = connection.scalar(_REVISION) if is_there else None
    connection.rollback()  # no transaction stays open while migrations are applied
    return revision


def _revisions() -> list[str]:
    """All that this build knows, oldest first: each migration's file begins with its revision."""
    found = sorted(file.name.split("_")[0] for file in (_scripts() / "versions").glob("[0-9]*.py"))
    if not found:
        raise RuntimeError("this build of opspawn carries no migrations: it was packaged wrongly")
    return found


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


def _scripts() -> Path:
    """Inside a wheel the migrations are `opspawn/_migrations`; in a checkout, the top-level `alembic/`."""
    here = Path(__file__).resolve().parent
    shipped = here / "_migrations"
    return shipped if shipped.is_dir() else here.parents[1] / "alembic"


async def _with_connection(url: str, run: Callable[[Connection], Found]) -> Found:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(run)
    finally:
        await engine.dispose()
