"""What the command line of the benchmarks can choose."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("demo", "latency", "throughput")
SYSTEMS = ("embedded", "servers", "dramatiq")


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Every value is in the JSON beside the numbers that it led to."""

    rounds: int
    tasks: int
    samples: int
    only: tuple[str, ...]
    systems: tuple[str, ...]
    cold_demo: bool
    output: Path | None


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--rounds", type=_count, default=3, help="how often each thing is measured")
    parser.add_argument("--tasks", type=_several, default=1000, help="tasks in one throughput run")
    parser.add_argument("--samples", type=_count, default=100, help="tasks in one latency run")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="measure only this part (may be repeated)"
    )
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS, help="measure only these systems"
    )
    parser.add_argument(
        "--cold-demo",
        action="store_true",
        help="also `make demo` from a fresh clone of HEAD, nothing installed (slow, downloads)",
    )
    parser.add_argument("--output", type=Path, help="the JSON file; benchmarks/results/… without")
    chosen = parser.parse_args(arguments)
    return Options(
        rounds=chosen.rounds,
        tasks=chosen.tasks,
        samples=chosen.samples,
        only=tuple(chosen.only or PARTS),
        systems=tuple(chosen.systems),
        cold_demo=chosen.cold_demo,
        output=chosen.output,
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _several(text: str) -> int:
    number = int(text)
    if number < 2:  # a rate needs a first and a last one
        raise argparse.ArgumentTypeError("must be 2 or more")
    return number
