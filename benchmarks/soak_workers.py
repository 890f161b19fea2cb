"""Soak, stage `workers`: tasks a second, and what each costs, with one worker process and with two."""

import asyncio
import time
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from typing import Final

from benchmarks.batch import all_completed, batch, spent_ms
from benchmarks.copies import delete_since
from benchmarks.machine import postgres_facts, rabbitmq_facts
from benchmarks.report import Report, say
from benchmarks.results import Results
from benchmarks.site import Site, site
from benchmarks.soak_stage import Stage
from benchmarks.starts import starts
from benchmarks.waiting_tasks import due
from benchmarks.windows import Window

from ops_core.store import Database
from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq

OVER_REST, BACKLOG = "five steps, over REST", "five steps, a backlog in the store"
RATE, COST = "tasks a second", "CPU a task"


def measure(report: Report, window: Window) -> None:
    options = report.options
    with ExitStack() as running:
        pipe = running.enter_context(starts())
        rabbitmq = running.enter_context(local_rabbitmq(say))
        postgres = running.enter_context(local_postgres(say))
        databases = Databases(postgres.url)
        running.callback(databases.close)
        found = running.enter_context(site(pipe, postgres, databases, rabbitmq.url))
        report.machine |= rabbitmq_facts(rabbitmq.url)
        report.machine |= asyncio.run(postgres_facts("all", found.opspawn.database_url))
        for number in range(options.rounds + 1):
            say(f"workers: round {number} of {options.rounds}" if number else "workers: warm-up")
            into = report.results if number else Results()
            with window():
                for workers in (1, 2):
                    _measure(found, workers, options.tasks, into)


def _measure(site: Site, workers: int, tasks: int, results: Results) -> None:
    """What one leaves is deleted before the next."""
    system, began = f"{workers} worker{'s' * (workers > 1)}", datetime.now(UTC)
    with site.another_worker() if workers > 1 else nullcontext():
        asyncio.run(batch(site, tasks // 10))  # whoever is new has its connections
        measured = asyncio.run(batch(site, tasks))
        results.add(f"{OVER_REST}: {RATE}", system, "tasks/s", measured.tasks_per_s)
        for kind, spent in measured.cpu_ms.items():
            results.add(f"{OVER_REST}: {COST}, {kind}", system, "ms", spent)
        rate, cpu_ms = asyncio.run(_backlog(site, tasks))
        results.add(f"{BACKLOG}: {RATE}", system, "tasks/s", rate)
        for kind, spent in cpu_ms.items():
            results.add(f"{BACKLOG}: {COST}, {kind}", system, "ms", spent)
    asyncio.run(delete_since(site.opspawn.database_url, began))


async def _backlog(site: Site, tasks: int) -> tuple[float, dict[str, float]]:
    """Tasks that come into the store at once, for which the dispatcher rings."""
    site.opspawn.starts.clear()
    database = Database(site.environment["DATABASE_URL"])
    before, since = site.cpu(), datetime.now(UTC)
    await due(database, "five_steps", tasks)
    began = time.time()
    last_at = await all_completed(site, since, tasks)
    spent = spent_ms(site, before, tasks)
    await database.close()
    return tasks / (last_at - began), spent


STAGE: Final = Stage(
    name="workers",
    what="one worker process and two",
    full={"tasks": 3000, "rounds": 5},
    quick={"tasks": 50, "rounds": 1},
    targets=(),
    measure=measure,
)
