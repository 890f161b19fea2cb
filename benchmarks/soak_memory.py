"""Soak, stage `memory`: half an hour of a steady load with retention: what grows, what is lost?"""

import asyncio
import math
import sys
import time
from contextlib import ExitStack
from typing import Final
from uuid import uuid4

from benchmarks.flatness import after, growth
from benchmarks.machine import postgres_facts, rabbitmq_facts
from benchmarks.report import Report, say
from benchmarks.rest import NotNow, Rest
from benchmarks.results import Results
from benchmarks.site import Site, site
from benchmarks.soak_stage import Stage
from benchmarks.starts import starts
from benchmarks.targets import Target
from benchmarks.watch import CONNECTIONS, STORED, WATCHED, Watch
from benchmarks.windows import Window

from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq

OURS: Final = "opspawn"
LOST, AGAIN = "tasks that were accepted and have not completed", "runs of a task beyond its first"
LATE: Final = "submits that were sent more than a second late"
RATE: Final = "tasks accepted a second"
CPU: Final = "CPU a task"
GROWN: Final = "grown after the warm-up, by its slope"

#: Of what there is. A process of 100 MB that gains as much in 20 minutes gains 6 MB in an hour.
MOST_GROWTH: Final = 0.02

#: Connections that submit, each in its turn: one that waits for an answer holds up no other.
CLIENTS: Final = 16

#: How long the last tasks may take. Seconds.
PATIENCE_S: Final = 60.0

DAY_S: Final = 86_400

TARGETS: Final = (
    Target(LOST, "≤", 0, (LOST, OURS), unit="tasks"),
    Target(AGAIN, "≤", 0, (AGAIN, OURS), unit="runs"),
    *(
        Target(f"{what}: {GROWN}", "≤", MOST_GROWTH, (GROWN, what), unit="of it")
        for what in WATCHED
    ),
)


def measure(report: Report, _window: Window) -> None:
    """Needs no window: what others do meanwhile costs time, and no memory."""
    retention = str(report.options.retention_s / DAY_S)
    with ExitStack() as running:
        pipe = running.enter_context(starts())
        rabbitmq = running.enter_context(local_rabbitmq(say))
        postgres = running.enter_context(local_postgres(say))
        databases = Databases(postgres.url)
        running.callback(databases.close)
        found = running.enter_context(
            site(pipe, postgres, databases, rabbitmq.url, OPSPAWN_RETENTION_DAYS=retention)
        )
        report.machine |= rabbitmq_facts(rabbitmq.url)
        report.machine |= asyncio.run(postgres_facts("all", found.opspawn.database_url))
        asyncio.run(_soak(found, report))


async def _soak(site: Site, report: Report) -> None:
    options, results = report.options, report.results
    tasks = options.rate * options.seconds
    watch = Watch(site)
    site.opspawn.starts.clear()
    async with asyncio.TaskGroup() as group:
        # Reads what the worker says, too: a pipe that is full would stop it.
        starting = group.create_task(site.opspawn.starts.wait_for(sys.maxsize, math.inf))
        watching = group.create_task(watch.run(options.every_s))
        spent = site.cpu()
        submitted = await _submit(site, options.rate, tasks, results)
        await watch.all_completed(submitted, PATIENCE_S)
        spent = {name: after - spent[name] for name, after in site.cpu().items()}
        watching.cancel()
        starting.cancel()
    for name, seconds in spent.items():
        results.add(CPU, name, "ms", seconds * 1000 / tasks)
    results.add(LOST, OURS, "tasks", len(submitted - watch.completed))
    results.add(AGAIN, OURS, "runs", len(site.opspawn.starts.times) - tasks)
    for what, looks in watch.looks.items():
        seen = after(looks, options.warm_up_s)
        unit = "" if what in {CONNECTIONS, STORED} else "MB"
        for look in seen:
            results.add("after the warm-up", what, unit, look.value)
        results.add(GROWN, what, "of it", growth(seen))


async def _submit(site: Site, rate: int, tasks: int, results: Results) -> set[str]:
    """So many a second, at their times whatever the door does; the ids of those that were accepted."""
    run, accepted, late = uuid4().hex[:8], set[str](), 0
    began = time.monotonic()

    async def client(first: int) -> None:
        nonlocal late
        async with Rest.open(site.opspawn.api_port) as rest:
            for number in range(first, tasks, CLIENTS):
                await asyncio.sleep(began + number / rate - time.monotonic())
                late += time.monotonic() > began + number / rate + 1
                accepted.add(await _accepted(rest, f"soak-{run}-{number}"))
                if number % (rate * 60) == 0:
                    say(f"memory: {number:,} of {tasks:,} tasks submitted")

    async with asyncio.TaskGroup() as group:
        for first in range(CLIENTS):
            group.create_task(client(first))
    results.add(LATE, OURS, "submits", late)
    results.add(RATE, OURS, "tasks/s", tasks / (time.monotonic() - began))
    return accepted


async def _accepted(rest: Rest, key: str) -> str:
    while True:
        try:
            return await rest.submit("five_steps", "soak", key=key)
        except NotNow:
            await asyncio.sleep(0.1)


STAGE: Final = Stage(
    name="memory",
    what="half an hour of a steady load: memory, connections, lost tasks",
    full={
        "seconds": 1800,
        "rate": 50,
        "warm_up_s": 600.0,
        "every_s": 10.0,
        "retention_s": 120,
    },
    quick={"seconds": 10, "rate": 20, "warm_up_s": 4.0, "every_s": 1.0, "retention_s": 2},
    targets=TARGETS,
    measure=measure,
)
