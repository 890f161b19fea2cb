"""Tells PostgreSQL's planner how large a table has become, while it grows fast.

A statement that is executed often keeps one plan. In a new database that is one for empty tables: any index
is as good as another, and to read all of a table is cheapest. Autovacuum looks once a minute, and until then
each step would read every task. For tables that are large it is soon enough.
"""

import time
from collections.abc import Callable
from typing import Final

from ops_core.store.database import Database
from ops_core.store.tables import METADATA

#: How often tables are looked at. Seconds; the server counts changes about as often.
LOOKS_S: Final = 1.0

#: Changed rows after which a table is read anew, and how often a larger one's rows must have changed. A task
#: changes some ten times until it ends, so that there may be half as many more.
WORTH_IT: Final = 500
TIMES: Final = 5

#: Rows of a table that is left to autovacuum.
LARGE: Final = 100_000

#: How closely a table is looked at: three hundred rows for each of these. The server's hundred would read all
#: of a young table, and sort it by each of its columns.
CLOSELY: Final = 10

#: The rest of a pass of upkeep waits for a table that is read. Seconds.
READS_S: Final = 2.0

# Of our tables, those that changed much since they were read. Only their owner can have them read.
_OUTDATED: Final = """
    SELECT c.relname
    FROM pg_class c
    JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE s.schemaname = current_schema() AND c.relname = ANY($1::text[])
      AND c.reltuples < $2 AND s.n_mod_since_analyze > GREATEST($3, c.reltuples * $4)
      AND pg_has_role(c.relowner, 'USAGE')
"""


class SqlStatistics:
    """One for a dispatcher; several may run, and pass over a table that another one reads."""

    def __init__(
        self,
        database: Database,
        *,
        large: int = LARGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._large = large
        self._clock = clock
        self._looks_at = clock()

    async def refresh(self) -> int:
        """How many tables were read. Raises `StoreUnavailable`."""
        if self._clock() < self._looks_at:
            return 0
        self._looks_at = self._clock() + LOOKS_S
        async with self._database.driver() as driver:
            rows = await driver.fetch(
                _OUTDATED, sorted(METADATA.tables), self._large, WORTH_IT, TIMES
            )
            for row in rows:
                async with driver.transaction():
                    await driver.execute(f"SET LOCAL default_statistics_target = {CLOSELY}")
                    analyse = f'ANALYZE (SKIP_LOCKED) "{row["relname"]}"'
                    await driver.execute(analyse, timeout=READS_S)
        return len(rows)
