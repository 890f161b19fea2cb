"""Rows of the driver, as `rows` reads them."""

from typing import Any

import asyncpg


class TaskRecord(asyncpg.Record):
    """A row of `task`: its columns are attributes, as in a row of SQLAlchemy."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
