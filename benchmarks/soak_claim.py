"""Soak, stage `claim`: claims and a worker beside a million rows that wait and five million finished ones."""

import asyncio
from contextlib import ExitStack
from typing import Final

from benchmarks import rows
from benchmarks.machine import postgres_facts
from benchmarks.report import Report, say
from benchmarks.resident import resident_mb
from benchmarks.soak_stage import Stage
from benchmarks.starts import starts
from benchmarks.systems import plain
from benchmarks.targets import Target
from benchmarks.windows import Window

from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq

WORKER: Final = "an idle worker, after it ran some tasks: memory"

TARGETS: Final = (
    *rows.TARGETS,
    Target(f"{WORKER} ÷ empty store", "≤", 1.05, (WORKER, rows.FULL), (WORKER, rows.EMPTY)),
)


def measure(report: Report, window: Window) -> None:
    options = report.options
    with ExitStack() as running:
        pipe = running.enter_context(starts())
        rabbitmq = running.enter_context(local_rabbitmq(say))
        postgres = running.enter_context(local_postgres(say))
        databases = Databases(postgres.url)
        running.callback(databases.close)
        stores = {rows.EMPTY: databases.create(), rows.FULL: databases.create()}
        say(f"claim: making {options.waiting:,} waiting and {options.finished:,} finished rows")
        asyncio.run(rows.fill(stores[rows.FULL], options.waiting, options.finished))
        for url in stores.values():
            asyncio.run(rows.warm_up(url))
        report.machine |= asyncio.run(postgres_facts("all", plain(stores[rows.EMPTY])))
        for number in range(1, options.rounds + 1):
            say(f"claim: round {number} of {options.rounds}")
            with window():
                for system, url in stores.items():
                    asyncio.run(rows.claims(url, system, report.results))
            for system, url in stores.items():
                held = resident_mb(url, rabbitmq.url, pipe, options.tasks)
                report.results.add(WORKER, system, "MB", held)


STAGE: Final = Stage(
    name="claim",
    what="claims and a worker beside millions of rows, and in an empty store",
    full={"waiting": 1_000_000, "finished": 5_000_000, "rounds": 3, "tasks": 500},
    quick={"waiting": 2_000, "finished": 2_000, "rounds": 1, "tasks": 20},
    targets=TARGETS,
    measure=measure,
)
