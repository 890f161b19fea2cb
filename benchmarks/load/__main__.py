"""Puts a load on a server of yours, and says how it answered.

    python benchmarks/load --url http://127.0.0.1:8000 --rate 50 --duration 30

Needs the package `opspawn` and nothing else of this repository. Requests arrive at their rate whether or not
earlier ones were answered, as those of many clients do, and a latency counts from when its request was due: a
server that cannot follow shows it. Each arrival submits a task and reads it back. The tasks are due in a
year, so that no agent runs and nothing is paid for; they are cancelled at the end. With `--run GOAL` they are
agents' runs, and cost what these cost.
"""

import argparse
import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from opspawn.client import AsyncOpspawnClient, OpspawnError, Patience, Refused, Task

#: Requests that are under way; what is due beyond that is counted as dropped, not as waiting. A client that
#: falls so far behind measures itself.
MOST_IN_FLIGHT = 2000


@dataclass(slots=True)
class Measured:
    """What came of the requests of one kind. Seconds."""

    took: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    async def of(self, request: Awaitable[Task], due: float) -> Task | None:
        try:
            task = await request
        except OpspawnError as error:
            self.errors[error.type if isinstance(error, Refused) else type(error).__name__] += 1
            return None
        self.took.append(time.monotonic() - due)
        return task

    def row(self, name: str) -> str:
        spread = [1000 * percentile(self.took, percent) for percent in (50, 90, 99, 100)]
        cells = "".join(f"{value:>10.1f}" for value in spread)
        return f"{name:<8}{len(self.took):>9}{sum(self.errors.values()):>9}{cells}"


@dataclass(slots=True)
class Load:
    """One run."""

    client: AsyncOpspawnClient
    goal: str | None
    label: str = field(default_factory=lambda: uuid4().hex[:12])
    submits: Measured = field(default_factory=Measured)
    gets: Measured = field(default_factory=Measured)
    dropped: int = 0

    async def arrive(self, rate: float, duration_s: float) -> float:
        """Returns how long it took until the last answer."""
        began = time.monotonic()
        running: set[asyncio.Task[None]] = set()
        for number in range(int(rate * duration_s)):
            due = began + number / rate
            await asyncio.sleep(due - time.monotonic())
            if len(running) >= MOST_IN_FLIGHT:
                self.dropped += 1
                continue
            one = asyncio.create_task(self._one(due))
            running.add(one)
            one.add_done_callback(running.discard)
        await asyncio.gather(*running)
        return time.monotonic() - began

    async def _one(self, due: float) -> None:
        task = await self.submits.of(self.client.submit(self._body()), due)
        if task is not None:
            await self.gets.of(self.client.get(task.task_id), time.monotonic())

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "task_type": "agent_run",
            "input_data": {"goal": self.goal or "load"},
            "labels": {"load": self.label},
        }
        if self.goal is None:
            later = datetime.now(UTC) + timedelta(days=365)
            body["scheduled_at"] = later.isoformat().replace("+00:00", "Z")
        return body

    async def clean(self) -> int:
        """Cancels what would run in a year; how many."""
        where = {"label": f"load:{self.label}", "status": "pending", "limit": 100}
        found = [task.task_id async for task in self.client.list(**where)]
        for task_id in found:
            await self.client.cancel(task_id)
        return len(found)


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank: a value that was measured; not a number where none was."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def report(load: Load, rate: float, took_s: float) -> str:
    done = len(load.submits.took)
    lines = [
        f"asked for {rate:g}/s, submitted {done / took_s:.1f}/s within {took_s:.1f} s",
        f"{'':<8}{'answered':>9}{'errors':>9}{'p50 ms':>10}{'p90 ms':>10}{'p99 ms':>10}{'max ms':>10}",
        load.submits.row("submit"),
        load.gets.row("get"),
    ]
    lines += [f"  {n} × {what}" for what, n in (load.submits.errors + load.gets.errors).items()]
    if load.dropped:
        lines.append(f"  {load.dropped} × not sent: {MOST_IN_FLIGHT} were under way")
    return "\n".join(lines)


async def main(arguments: argparse.Namespace) -> int:
    """0 when everything was answered."""
    # Tried once: a repetition would hide an error, and make it a latency.
    patience = Patience(attempts=1)
    async with AsyncOpspawnClient(arguments.url, arguments.api_key, patience=patience) as client:
        load = Load(client, arguments.run)
        took_s = await load.arrive(arguments.rate, arguments.duration)
        print(report(load, arguments.rate, took_s))
    async with AsyncOpspawnClient(arguments.url, arguments.api_key) as client:
        if arguments.run is None and not arguments.keep:
            load.client = client
            print(f"cancelled {await load.clean()} tasks with the label load:{load.label}")
    return 1 if load.submits.errors or load.gets.errors or load.dropped else 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="load", description="Put a load on a server.")
    parser.add_argument("--url", help="of the server (OPSPAWN_URL)")
    parser.add_argument("--api-key", help="better in OPSPAWN_API_KEY")
    parser.add_argument("--rate", type=float, default=20.0, help="arrivals a second")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds")
    parser.add_argument("--run", metavar="GOAL", help="run agents with this goal")
    parser.add_argument("--keep", action="store_true", help="do not cancel the tasks")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(options())))
    except OpspawnError as error:
        sys.exit(f"load: {error}")
