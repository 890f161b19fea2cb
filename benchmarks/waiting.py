"""`make bench-waiting`: what agents cost a worker while they wait for models, and how soon they go on.

One worker in a process of its own for each round, on a private PostgreSQL; the tasks stand in the store when
it begins. Prints tables, writes JSON. `--help` shows the options.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.report import Report, add_output, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402
from benchmarks.targets import Target  # noqa: E402
from benchmarks.waiting_model import WaitingModel  # noqa: E402
from benchmarks.waiting_tasks import SLEEP_S, STEPS, SleepingSteps, all_ended, stored  # noqa: E402

from ops_core.ports import TaskHandler  # noqa: E402
from ops_core.queue.bell import DramatiqBell  # noqa: E402
from ops_core.queue.broker import in_process_broker  # noqa: E402
from ops_core.queue.worker import Worker  # noqa: E402
from ops_core.service import Submitted  # noqa: E402
from ops_core.store import Database, SqlWorkerStore  # noqa: E402
from opspawn.agents import toolbox  # noqa: E402
from opspawn.agents.contract import AGENT_RUN  # noqa: E402
from opspawn.agents.handler import AgentHandler  # noqa: E402
from opspawn.garbage import collect_seldom  # noqa: E402
from opspawn.settings import Settings  # noqa: E402
from support.databases import Databases  # noqa: E402
from support.local_servers import local_postgres  # noqa: E402

OURS: Final = "opspawn"
START: Final = "agents: until all are inside their calls"
CORE: Final = "agents inside model calls: of one core"
MEMORY: Final = "agents inside model calls: memory each, beyond its messages"
MESSAGES: Final = "agents inside model calls: messages of each"
WAKE: Final = "one in forty of them answered a second: model answers → agent goes on"
STORM: Final = "all the others answered within a second: model answers → agent goes on"
ENDED: Final = "all the others answered within a second: until all have ended"
TIME: Final = "tasks of 5 × 0.2 s at once, each step durable: time, ideal is 1"

#: How long the process is looked at while everybody waits: ten milliseconds of CPU are a thousandth. Seconds.
LOOK_S: Final = 10.0

#: Of agents whose models take so long for an answer, one in so many wakes a second; and how long that is
#: looked at. Seconds.
ANSWER_S: Final = 40.0
WAKES_S: Final = 4.0

#: In a storm all models answer within so long, evenly spread. Seconds.
STORM_S: Final = 1.0

TARGETS: Final = (
    Target(
        "agents inside model calls: of one core", "≤", 0.02, (CORE, OURS), unit="cores", point=4
    ),
    Target("agents inside model calls: memory each", "≤", 10, (MEMORY, OURS), unit="KB", point=4),
    Target(
        "model answers → agent goes on, p99", "≤", 100, (f"{WAKE}, p99", OURS), unit="ms", point=4
    ),
    Target("the same in a storm, p99", "≤", 100, (f"{STORM}, p99", OURS), unit="ms", point=4),
    Target("1,000 tasks of 5 × 0.2 s: time", "≤", 1.35, (TIME, OURS), point=4),
)


def main() -> int:
    options = _options()
    report = Report("waiting", options, TARGETS)
    with local_postgres(say) as server:
        databases = Databases(server.url)
        for number in range(1, options.rounds + 1):
            for what, measure in ((WAKE, _agents), (TIME, _steps)):
                say(f"round {number} of {options.rounds}: {what}")
                url = databases.create()
                report.attempt(
                    what,
                    lambda: report.results.extend(in_a_new_process(measure, url, options)),  # noqa: B023
                )
                databases.drop(url)
        databases.close()
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/waiting.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round: does it run?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--agents", type=int, default=10_000, help="inside model calls at once")
    parser.add_argument("--tasks", type=int, default=1000, help="of five steps of 0.2 s, at once")
    add_output(parser)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.agents, options.tasks = 1, 1000, 200
    return options


Measure = Callable[[str, argparse.Namespace, Results], Coroutine[Any, Any, None]]


def in_a_new_process(measure: Measure, url: str, options: argparse.Namespace) -> Results:
    """What it adds there. Here a second round would fill, unseen, the memory that the first one freed."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measured, measure, url, options).result()


def _measured(measure: Measure, url: str, options: argparse.Namespace) -> Results:
    collect_seldom()
    results = Results()
    uvloop.run(measure(url, options, results))
    return results


async def _agents(url: str, options: argparse.Namespace, results: Results) -> None:
    """The product's agents with a model that holds them, until all of them wait; then it answers."""
    agents = options.agents
    model = WaitingModel(agents)
    handler = AgentHandler(Settings(_env_file=None), model, dict(toolbox.load([])), _no_children)
    async with _prepared(url, AGENT_RUN, agents) as database:
        before_kb, began = _memory_kb(), time.perf_counter()
        async with _worker(database, AGENT_RUN, handler, agents):
            async with asyncio.timeout(120):
                await model.all_wait.wait()
            results.add(START, OURS, "s", time.perf_counter() - began)
            results.add(CORE, OURS, "cores", await _share_of_a_core())
            messages_kb = model.message_bytes / agents / 1024
            results.add(MEMORY, OURS, "KB", (_memory_kb() - before_kb) / agents - messages_kb)
            results.add(MESSAGES, OURS, "KB", messages_kb)
            model.answer(round(agents * WAKES_S / ANSWER_S), WAKES_S)
            await all_ended(database, 0.2, but=model.waiting)
            results.add_percentiles(WAKE, OURS, model.take_lateness())
            began = time.perf_counter()
            model.answer(model.waiting, STORM_S)
            await all_ended(database, 0.2)
            results.add(ENDED, OURS, "s", time.perf_counter() - began)
    results.add_percentiles(STORM, OURS, model.take_lateness())


async def _steps(url: str, options: argparse.Namespace, results: Results) -> None:
    """From when the worker begins until the last task is completed."""
    tasks = options.tasks
    async with _prepared(url, "steps", tasks) as database:
        began = time.perf_counter()
        async with _worker(database, "steps", SleepingSteps(), tasks):
            await all_ended(database)
            took = time.perf_counter() - began
    results.add(TIME, OURS, "×", took / (STEPS * SLEEP_S))


@asynccontextmanager
async def _prepared(url: str, kind: str, tasks: int) -> AsyncIterator[Database]:
    """A database in which so many tasks are due."""
    database = Database(url)
    try:
        await stored(database, kind, tasks)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _worker(
    database: Database, kind: str, handler: TaskHandler, slots: int
) -> AsyncIterator[None]:
    broker, stop = in_process_broker(), asyncio.Event()
    store, bell = SqlWorkerStore(database), DramatiqBell(broker)
    worker = Worker(store, broker, bell, {kind: handler}, slots=slots, drain_grace_s=1)
    running = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def _share_of_a_core() -> float:
    """What this process takes while all wait: its heartbeats, its claims and its loop."""
    await asyncio.sleep(1)  # what the start has left to do is done
    spent, began = time.process_time(), time.perf_counter()
    await asyncio.sleep(LOOK_S)
    return (time.process_time() - spent) / (time.perf_counter() - began)


async def _no_children(*_: object, **__: object) -> Submitted:
    raise AssertionError("these agents start no others")


def _memory_kb() -> float:
    return float(psutil.Process().memory_info().rss) / 1024


if __name__ == "__main__":
    sys.exit(main())
