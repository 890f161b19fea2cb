"""Looks at Opspawn's processes again and again: their memory, the database's sessions, who has completed."""

import asyncio
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from benchmarks.cpu import titles
from benchmarks.flatness import Look
from benchmarks.site import API, DISPATCHER, POSTGRES, WORKER, Site

CONNECTIONS: Final = "connections of PostgreSQL"
STORED: Final = "tasks in the store"

#: What may not grow. The store is looked at only to see that retention deletes.
WATCHED: Final = (API, WORKER, DISPATCHER, f"{POSTGRES}, private", CONNECTIONS)

#: How often the last tasks are asked for. Seconds.
_ASK_S: Final = 0.5

# Those that have completed since the last look, with two seconds of those before it, whose commit may have
# come after it. Index: task_for_retention, and for the first look too little to matter.
_COMPLETED: Final = """
    SELECT task_id FROM task
    WHERE completed_at >= $1::timestamptz - interval '2 seconds' AND dead_letter_at IS NULL
      AND status = 'completed'
"""
_FACTS: Final = """
    SELECT now() AS at, pg_backend_pid() AS own, (SELECT count(*) FROM task) AS stored,
           (SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()) AS connections
"""


class Watch:
    """`looks`: what was seen of each thing; `completed`: the ids of all tasks that have been seen so."""

    def __init__(self, site: Site) -> None:
        self.looks: defaultdict[str, list[Look]] = defaultdict(list)
        self.completed: set[str] = set()
        self._site = site
        self._began = time.monotonic()
        self._since: Any = None

    async def run(self, every_s: float) -> None:
        """Until it is cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(every_s)

    async def all_completed(self, tasks: set[str], patience_s: float) -> None:
        """Returns when these have completed, or when our patience is over."""
        deadline = time.monotonic() + patience_s
        while tasks - self.completed and time.monotonic() < deadline:
            await asyncio.sleep(_ASK_S)
            await self._ask()

    async def _look(self) -> None:
        facts = await self._ask()
        at_s = time.monotonic() - self._began
        seen = {name: _rss(process.pid) / 1e6 for name, process in self._site.processes.items()}
        seen[f"{POSTGRES}, private"] = _private(self._site, facts["own"]) / 1e6
        seen[CONNECTIONS], seen[STORED] = facts["connections"], facts["stored"]
        for what, value in seen.items():
            self.looks[what].append(Look(at_s, value))

    async def _ask(self) -> Any:
        """A connection for each look: ours is not among those that are counted."""
        connection = await asyncpg.connect(self._site.opspawn.database_url, timeout=30)
        try:
            [facts] = await connection.fetch(_FACTS)
            rows = await connection.fetch(_COMPLETED, self._since or facts["at"])
        finally:
            await connection.close()
        self._since = facts["at"]
        self.completed |= {row["task_id"] for row in rows}
        return facts


def _rss(pid: int) -> float:
    process = psutil.Process(pid)
    return float(
        sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    )


def _private(site: Site, but: int) -> float:
    """Of the sessions of the database, without the buffers that they share: those fill, and do not grow."""
    pages = 0
    for pid, title in titles(site.postgres.pid):
        if pid != but and f" {site.database} " in title:
            try:
                words = Path(f"/proc/{pid}/statm").read_text().split()
            except OSError:  # it has ended meanwhile
                continue
            pages += int(words[1]) - int(words[2])
    return float(pages * resource.getpagesize())
