"""`make bench-doors`: what one process of the REST door does a second, beside the least that could be done.

One `opspawn api` and one bare FastAPI + asyncpg application (`bare_door.py`) with the same statements, on one
PostgreSQL; they take turns within a round. Prints a table, writes JSON. `--help` shows the options.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.machine import machine_facts  # noqa: E402  # needs the path
from benchmarks.rest import Rest  # noqa: E402
from benchmarks.results import Results, Row  # noqa: E402
from benchmarks.table import show  # noqa: E402

from opspawn import migrate  # noqa: E402
from support.local_servers import local_postgres, local_rabbitmq  # noqa: E402
from support.opspawn_processes import Rest as Ready  # noqa: E402
from support.opspawn_processes import processes  # noqa: E402
from support.server_process import free_port  # noqa: E402

REPORTS = Path(__file__).resolve().parent / "reports"

#: Requests under way at once, each on a connection of its own.
IN_FLIGHT: Final = 32

OURS, BARE = "opspawn api", "bare FastAPI"

INPUT: Final = {"goal": "What is 17 * 23?"}

Ports = dict[str, int]
"""Where each system listens."""


def main() -> int:
    options = _options()
    began, results, machine = datetime.now(UTC), Results(), machine_facts()
    with _site() as ports:
        for number in range(options.rounds + 1):
            _say(f"round {number} of {options.rounds}" if number else "warming up")
            kept = results if number else Results()
            for system, port in ports.items():
                asyncio.run(_measure(system, port, options.requests, kept))
    show(sys.stdout, machine, results.rows(), list(_shares(results)))
    _write(began, machine, options, results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/doors.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000, help="of each kind, in a round")
    return parser.parse_args()


@contextmanager
def _site() -> Iterator[Ports]:
    """Each system has a process; no worker takes what is submitted."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        postgres = stack.enter_context(local_postgres(_say))
        rabbitmq = stack.enter_context(local_rabbitmq(_say))
        migrate.upgrade(postgres.url)
        ports = {OURS: free_port(), BARE: free_port()}
        settings = {
            "DATABASE_URL": postgres.url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(ports[OURS]),
            "OPSPAWN_LOG_LEVEL": "warning",
        }
        started = stack.enter_context(processes(folder, settings))
        ready = Ready(ports[OURS])
        ready.ready(started.start("api"))
        ready.close()
        bare = [sys.executable, str(ROOT / "benchmarks/bare_door.py"), str(ports[BARE])]
        process = stack.enter_context(subprocess.Popen([*bare, postgres.url]))
        stack.callback(process.terminate)
        asyncio.run(_listening(process, ports[BARE]))
        yield ports


async def _listening(process: subprocess.Popen[bytes], port: int) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit("the bare application ended before it listened")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


async def _measure(system: str, port: int, requests: int, results: Results) -> None:
    ids: list[str] = []

    async def submit(rest: Rest) -> None:
        ids.append(await rest.submit("agent_run", "n", key=str(uuid4()), input_data=INPUT))

    async def get(rest: Rest) -> None:
        await rest.task(ids[len(took) % len(ids)])

    for name, request in (("submit", submit), ("get", get)):
        took: list[float] = []
        seconds = await _all(port, requests, request, took)
        results.add(f"{name}, {IN_FLIGHT} in flight", system, "requests/s", requests / seconds)
        results.add_percentiles(f"{name}, {IN_FLIGHT} in flight", system, took)


async def _all(
    port: int, requests: int, request: Callable[[Rest], Awaitable[None]], took: list[float]
) -> float:
    """How long all of them took; each one's time goes into `took`. Seconds."""
    left = iter(range(requests))

    async def one_after_another(rest: Rest) -> None:
        for _ in left:
            began = time.perf_counter()
            await request(rest)
            took.append(time.perf_counter() - began)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Rest.open(port)) for _ in range(IN_FLIGHT)]
        began = time.perf_counter()
        await asyncio.gather(*(one_after_another(rest) for rest in clients))
        return time.perf_counter() - began


def _shares(results: Results) -> Iterator[Row]:
    """What the door reaches of the bare one, round by round."""
    for name in ("submit", "get"):
        ours, bare = (results.get(f"{name}, {IN_FLIGHT} in flight", who) for who in (OURS, BARE))
        if ours and bare:
            shares = [mine / least for mine, least in zip(ours.values, bare.values, strict=True)]
            yield Row(f"{name}: {OURS} / {BARE}", OURS, "×", shares)


def _write(
    began: datetime, machine: dict[str, object], options: argparse.Namespace, results: Results
) -> None:
    REPORTS.mkdir(exist_ok=True)
    file = REPORTS / f"doors-{began:%Y-%m-%dT%H%M%SZ}.json"
    report = {
        "began": began.isoformat(),
        "machine": machine,
        "options": vars(options),
        "results": [row.as_json() for row in results.rows()],
    }
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    _say(f"written: {file}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
