"""How much is fuzzed, from which seed, and what each part did: a table at the end of the run.

`FUZZ` says how much: `slice` (the default, a part of the normal tests) or `full`. `FUZZ_SEED` is where the
dice begin; `FUZZ_SHARE` is the share of the full counts that one of several runs does. `FUZZ_RESULTS` names a
file that the rows of several runs are collected in.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

FULL: Final = os.environ.get("FUZZ", "slice") == "full"

#: The same in every run of the slice, so that it is red for a change and never by chance.
SEED: Final = int(os.environ.get("FUZZ_SEED", "1"))

#: The share of the full counts that this run does.
SHARE: Final = float(os.environ.get("FUZZ_SHARE", "1"))


@dataclass(frozen=True, slots=True)
class Row:
    """What one part did."""

    what: str
    seed: int
    calls: int
    violations: int
    seconds: float


def count(in_slice: int, in_full: int) -> int:
    """How many calls to make."""
    return round(in_full * SHARE) if FULL else in_slice


def record(what: str, calls: int, violations: int, seconds: float) -> None:
    """Adds a row; call it before asserting that there were no violations, or a red run has no row."""
    row = Row(what, SEED, calls, violations, round(seconds, 1))
    with results_file().open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


@cache
def results_file() -> Path:
    named = os.environ.get("FUZZ_RESULTS")
    return Path(named or tempfile.mkdtemp(prefix="opspawn-fuzz-") + "/results.jsonl")


def table() -> Iterator[str]:
    """The rows so far as a Markdown table."""
    if not results_file().exists():
        return
    yield "| what | seed | calls | violations | seconds |"
    yield "|---|---:|---:|---:|---:|"
    for line in results_file().read_text(encoding="utf-8").splitlines():
        row = Row(**json.loads(line))
        yield f"| {row.what} | {row.seed} | {row.calls:,} | {row.violations} | {row.seconds:g} |"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what was fuzzed, and the seed that begins the same run. This module is a pytest plugin."""
    rows = list(table())
    if not rows:
        return
    terminalreporter.section("fuzzed")
    for line in rows:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"→ the same again: FUZZ_SEED={SEED}")
