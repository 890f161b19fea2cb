"""Soak, stage `growth`: what a task costs with 10 and with a million finished tasks in the store."""

import asyncio
from contextlib import ExitStack
from datetime import datetime
from typing import Final

from benchmarks.batch import batch
from benchmarks.copies import delete_since, multiply
from benchmarks.machine import postgres_facts, rabbitmq_facts
from benchmarks.report import Report, say
from benchmarks.results import Results
from benchmarks.site import Site, site
from benchmarks.soak_stage import Stage
from benchmarks.starts import starts
from benchmarks.targets import Target
from benchmarks.windows import Window

from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq
from support.rabbitmq_server import RabbitmqServer

COST, RATE = "CPU a task", "tasks a second"

#: Finished tasks in the store. The first one is what the others are compared with.
STORED: Final = (10, 1_000, 100_000, 1_000_000)

#: Flat: between these multiples of what a task costs with the first.
FLAT: Final = (0.85, 1.15)


def system(stored: int) -> str:
    return f"{stored:,} stored"


def _flat(stored: int) -> tuple[Target, Target]:
    what = f"{COST}, {system(stored)} ÷ {system(STORED[0])}"
    above, below = (COST, system(stored)), (COST, system(STORED[0]))
    least, most = FLAT
    return Target(what, "≥", least, above, below), Target(what, "≤", most, above, below)


TARGETS: Final = tuple(target for stored in STORED[1:] for target in _flat(stored))


def measure(report: Report, window: Window) -> None:
    """Each size has a database and processes of its own on one server; in a round they take turns."""
    options = report.options
    with ExitStack() as running:
        sites = _sites(running, report)
        for number in range(options.rounds + 1):
            say(f"growth: round {number} of {options.rounds}" if number else "growth: warm-up")
            into, began = report.results if number else Results(), {}
            with window():
                for stored in _turn(list(sites), number):
                    began[stored] = asyncio.run(
                        _measure(sites[stored], stored, options.tasks, into)
                    )
            # What a round leaves is no growth.
            for stored, moment in began.items():
                asyncio.run(delete_since(sites[stored].opspawn.database_url, moment))


def _sites(running: ExitStack, report: Report) -> dict[int, Site]:
    pipe = running.enter_context(starts())
    rabbitmq = running.enter_context(local_rabbitmq(say))
    postgres = running.enter_context(local_postgres(say))
    databases = Databases(postgres.url)
    running.callback(databases.close)
    sites = {}
    for stored in report.options.stored:
        say(f"growth: {system(stored)}")
        broker = _virtual_host(rabbitmq, f"stored-{stored}")
        sites[stored] = running.enter_context(site(pipe, postgres, databases, broker))
        asyncio.run(_fill(sites[stored], stored))
    report.machine |= rabbitmq_facts(rabbitmq.url)
    url = next(iter(sites.values())).opspawn.database_url
    report.machine |= asyncio.run(postgres_facts("all", url))
    return sites


def _virtual_host(rabbitmq: RabbitmqServer, name: str) -> str:
    """The URL of a new one: the worker of one size must not be rung for the tasks of another."""
    rabbitmq.control("add_vhost", name)
    rabbitmq.control("set_permissions", "--vhost", name, "opspawn", ".*", ".*", ".*")
    return f"{rabbitmq.url.rpartition('/')[0]}/{name}"


async def _fill(site: Site, stored: int) -> None:
    """Ten real tasks, and copies of one of them."""
    await batch(site, STORED[0])
    await multiply(site.opspawn.database_url, stored, say)


async def _measure(site: Site, stored: int, tasks: int, results: Results) -> datetime:
    """When it began."""
    measured = await batch(site, tasks)
    results.add(COST, system(stored), "ms", sum(measured.cpu_ms.values()))
    for kind, spent in measured.cpu_ms.items():
        results.add(f"{COST}, {kind}", system(stored), "ms", spent)
    results.add(RATE, system(stored), "tasks/s", measured.tasks_per_s)
    return measured.began


def _turn(sizes: list[int], number: int) -> list[int]:
    """Whoever comes first in one round comes last in the next: a slow minute hits each in turn."""
    return sizes if number % 2 else sizes[::-1]


STAGE: Final = Stage(
    name="growth",
    what="what a task costs beside up to a million finished ones",
    full={"stored": STORED, "tasks": 2000, "rounds": 5},
    quick={"stored": STORED[:2], "tasks": 50, "rounds": 1},
    targets=TARGETS,
    measure=measure,
)
