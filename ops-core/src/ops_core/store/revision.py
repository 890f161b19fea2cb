"""Whether a database can be used, and for which build its tables were made."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from ops_core.errors import StoreUnavailable
from ops_core.store.database import Database, reason

# What a door needs of a server: our tables, and leave to write (a standby gives none).
_STATE: Final = text(
    """
    SELECT (SELECT version_num FROM alembic_version) AS revision,
           current_setting('transaction_read_only')::bool AS read_only
    """
)

_NO_TABLES: Final = "the database has no tables yet: run `opspawn migrate`"


async def revision_of(database: Database) -> str:
    """The revision of its tables. Raises `StoreUnavailable` with the remedy when a door could not use it."""
    try:
        async with database.begin() as connection:
            state = (await connection.execute(_STATE)).one()
    except ProgrammingError as error:
        raise StoreUnavailable(_unusable(error)) from None
    if state.revision is None:
        raise StoreUnavailable(_NO_TABLES)
    if state.read_only:
        raise StoreUnavailable("the database is read-only: is this a standby?")
    return str(state.revision)


def _unusable(error: ProgrammingError) -> str:
    match getattr(error.orig, "sqlstate", None):
        case "42P01":  # undefined table
            return _NO_TABLES
        case "42501":  # insufficient privilege
            return "the database's tables may not be read by this role: grant it the rights"
        case _:
            return f"the database cannot be used: {reason(error)}"
