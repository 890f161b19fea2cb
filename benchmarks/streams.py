"""`make bench-streams`: what streams of tasks cost, and how soon an event is with who watches.

One `opspawn api` and one `opspawn grpc` on a PostgreSQL and a RabbitMQ of their own; this process plays the
worker. Prints a table, writes JSON. `--help` shows the options.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio
import psutil

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.report import Report, say  # noqa: E402  # needs the path
from benchmarks.results import Results  # noqa: E402
from benchmarks.stream_client import SseClient  # noqa: E402
from benchmarks.stream_tasks import WrittenTask, written_tasks  # noqa: E402

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc  # noqa: E402
from opspawn import migrate  # noqa: E402
from opspawn.doors import raise_file_limit  # noqa: E402
from support.local_servers import local_postgres, local_rabbitmq  # noqa: E402
from support.opspawn_processes import Rest, processes  # noqa: E402
from support.server_process import free_port  # noqa: E402

#: Streams opened at once: more would only wait for each other.
AT_ONCE: Final = 50

#: Events of one measurement come so far apart, that each finds the doors idle. Seconds.
APART_S: Final = 0.05

#: How long the process is looked at to see what its streams cost it. Seconds.
LOOK_S: Final = 10.0

WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """The doors that are measured."""

    api_port: int
    grpc_port: int
    api: psutil.Process
    database_url: str
    rabbitmq_url: str


def main() -> int:
    options = _options()
    raise_file_limit()
    report = Report("streams", options)
    with _site() as site:
        asyncio.run(_measure(site, options, report.results))
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/streams.py", description=__doc__)
    parser.add_argument("--idle", type=int, nargs="+", default=[0, 1000, 5000], help="idle streams")
    parser.add_argument("--events", type=int, default=200, help="events of one measurement")
    parser.add_argument("--watchers", type=int, default=1000, help="streams beside a measurement")
    return parser.parse_args()


@contextmanager
def _site() -> Iterator[Site]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        postgres = stack.enter_context(local_postgres(say))
        rabbitmq = stack.enter_context(local_rabbitmq(say))
        migrate.upgrade(postgres.url)
        api_port, grpc_port = free_port(), free_port()
        settings = {
            "DATABASE_URL": postgres.url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(api_port),
            "OPSPAWN_GRPC_PORT": str(grpc_port),
            "OPSPAWN_LOG_LEVEL": "warning",
        }
        started = stack.enter_context(processes(folder, settings))
        api = started.start("api")
        rest = Rest(api_port)
        rest.ready(api)
        rest.close()
        started.start("grpc")
        yield Site(api_port, grpc_port, psutil.Process(api.pid), postgres.url, rabbitmq.url)


async def _measure(site: Site, options: argparse.Namespace, results: Results) -> None:
    async with written_tasks(site.database_url, site.rabbitmq_url) as tasks:
        task = await tasks.start()
        say("submitting a task for each stream")
        others = await tasks.idle(max(*options.idle, options.watchers))
        for count in options.idle:
            async with _idle(site, others, count):
                await _cost(site, count, results)
        for count in (0, options.watchers):
            say(f"{options.events} events, {count} other streams")
            async with _idle(site, others, count):
                beside = f"{count:,} streams beside" if count else "alone"
                told = await latencies(task, options.events, sse(site))
                results.add_percentiles(f"commit → client, {beside}", "SSE", told)
                rpc = await latencies(task, options.events, _rpc(site))
                results.add_percentiles(f"commit → client, {beside}", "gRPC", rpc)
        say(f"{options.events // 4} events to {options.watchers} watchers of their task")
        seconds = await _to_all(site, task, options.watchers, options.events // 4)
        name = f"commit → each of {options.watchers:,} watchers of one task"
        results.add_percentiles(name, "SSE", seconds)


@asynccontextmanager
async def _idle(site: Site, tasks: list[str], count: int) -> AsyncIterator[None]:
    """So many streams, each of a task of its own in which nothing happens."""
    async with AsyncExitStack() as stack:
        gate = asyncio.Semaphore(AT_ONCE)

        async def open_one(task_id: str) -> None:
            async with gate:
                opened = SseClient.open(site.api_port, task_id, after=1)
                await stack.enter_async_context(opened)

        say(f"opening {count:,} streams")
        await asyncio.gather(*(open_one(task_id) for task_id in tasks[:count]))
        yield


async def _cost(site: Site, count: int, results: Results) -> None:
    say(f"looking at {count:,} idle streams for {LOOK_S:g} s")
    site.api.cpu_percent()
    await asyncio.sleep(LOOK_S)
    cpu = site.api.cpu_percent()
    system = f"{count:,} idle streams"
    results.add("opspawn api: memory", system, "MB", site.api.memory_info().rss / 2**20)
    results.add("opspawn api: of one core", system, "%", cpu)


Seen = Callable[[int], Awaitable[float]]
"""Returns when the event of that number is there: the monotonic time."""


async def latencies(
    task: WrittenTask, count: int, watching: Callable[[WrittenTask], Any]
) -> list[float]:
    """Seconds from the moment that the commit had returned until a client had the event."""
    found = []
    async with watching(task) as seen:
        for _ in range(count):
            await asyncio.sleep(APART_S)
            seq = await task.write()
            committed = time.monotonic()
            async with asyncio.timeout(WITHIN_S):
                found.append(max(await seen(seq) - committed, 0.0))
    return found


def sse(site: Site) -> Callable[[WrittenTask], Any]:
    @asynccontextmanager
    async def watching(task: WrittenTask) -> AsyncIterator[Seen]:
        opened = SseClient.open(site.api_port, task.task_id, after=task.last_seq)
        async with opened as client:
            yield client.seen

    return watching


def _rpc(site: Site) -> Callable[[WrittenTask], Any]:
    @asynccontextmanager
    async def watching(task: WrittenTask) -> AsyncIterator[Seen]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{site.grpc_port}") as channel:
            stub: Any = tasks_pb2_grpc.TaskServiceStub
            asked = tasks_pb2.WatchTaskRequest(task_id=task.task_id, after_seq=task.last_seq)
            call = stub(channel).WatchTask(asked, wait_for_ready=True)

            async def seen(seq: int) -> float:
                while (await call.read()).seq < seq:
                    continue
                return time.monotonic()

            await call.wait_for_connection()
            yield seen
            call.cancel()

    return watching


async def _to_all(site: Site, task: WrittenTask, watchers: int, events: int) -> list[float]:
    """Seconds from a commit until each of the watchers of one task has the event."""
    found: list[float] = []
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(watchers):
            opened = SseClient.open(site.api_port, task.task_id, after=task.last_seq)
            clients.append(await stack.enter_async_context(opened))
        for _ in range(events):
            seq = await task.write()
            committed = time.monotonic()
            times = await asyncio.gather(*(client.seen(seq) for client in clients))
            found += [moment - committed for moment in times]
            await asyncio.sleep(APART_S)
    return found


if __name__ == "__main__":
    sys.exit(main())
