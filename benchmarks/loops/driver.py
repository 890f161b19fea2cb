"""Runs one hand's agent many times and prints what it cost, as JSON. Imports nothing of the others.

Started as `python -m benchmarks.loops.<system> URL RUNS CONCURRENCY`.
"""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

#: Answers the goal, and returns what the model said at the end.
Run = Callable[[str], Awaitable[str]]

GOAL = "What is 17 * 23, four times over?"
ANSWER = "It is 391."
#: As in Opspawn's processes (`opspawn.garbage`), for each hand the same.
COLLECTED_AFTER = (20_000, 50, 10)
INSTRUCTIONS = "You are a careful assistant. Use the tools."


def main(make: Callable[[str], Run]) -> None:
    """`make` gets the address of the model's server."""
    url, runs, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(asyncio.run(_measure(make(url), runs, concurrency))))


async def _measure(run: Run, runs: int, concurrency: int) -> dict[str, float]:
    gc.set_threshold(*COLLECTED_AFTER)
    await _check(run)  # imports, connections and caches are warm after the first
    _forget_peak()
    before_kb, began_cpu, began = _rss_kb(), time.process_time(), time.perf_counter()
    left = iter(range(runs))

    async def one_after_another() -> None:
        for _ in left:
            await _check(run)

    await asyncio.gather(*(one_after_another() for _ in range(concurrency)))
    return {
        "cpu_s": time.process_time() - began_cpu,
        "wall_s": time.perf_counter() - began,
        "rss_before_kb": before_kb,
        "rss_peak_kb": _peak_kb(),
    }


async def _check(run: Run) -> None:
    said = await run(GOAL)
    assert said == ANSWER, said


def _rss_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def _forget_peak() -> None:
    """Importing a table of prices takes 55 MB for a moment, which no agent holds."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_kb() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])
