"""Statements with named parameters for the driver itself, where SQLAlchemy would cost more than they do."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ops_core.store.repeated import Connection
from ops_core.store.rows import Record

#: `:name`, but not a cast (`::text`) and not a slice.
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")


async def fetch(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> list[Record]:
    """The rows of a statement that names its parameters as those of SQLAlchemy do (`:name`)."""
    statement, names = numbered(sql)
    return await connection.fetch(statement, *(parameters[name] for name in names))


@lru_cache
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver wants it (`$1`), and the names of its parameters in their order."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names
