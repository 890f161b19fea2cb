"""Rows of the driver, as `rows` reads them."""

from typing import Any, Final

import asyncpg

from ops_core.store.tables import TaskRow

#: The columns of a task `t` that this build knows, by name: once a migration has added one, the server
#: refuses a prepared statement with `*`, and inside a transaction the driver cannot ask again.
COLUMNS: Final = ", ".join(
    f"t.{column.name}"
    for column in TaskRow.__table__.columns  # type: ignore[attr-defined]  # a table of SQLModel
)


class TaskRecord(asyncpg.Record):
    """A row of `task`: its columns are attributes, as in a row of SQLAlchemy."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
