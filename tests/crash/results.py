"""Collects what each part of the crash matrix did: a file of JSON lines, and a table at the end of the run.

`CRASH_RESULTS` names the file; without it the rows go to a temporary one. `CRASH_MATRIX` says how much is
done: `short` (the default) or `full`. Neither begins with `OPSPAWN_`: there every name is the product's.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

#: Whether the full matrix was asked for.
FULL = os.environ.get("CRASH_MATRIX", "short") == "full"


@dataclass(frozen=True, slots=True)
class Row:
    """What one part did: how many faults of a kind, how many broken promises, in how many seconds."""

    kind: str
    faults: int
    violations: int
    seconds: float


def record(kind: str, faults: int, violations: int, seconds: float) -> None:
    """Adds a row; call it before asserting that there were no violations, or a red run has no row."""
    row = Row(kind, faults, violations, round(seconds, 1))
    with results_file().open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


@cache
def results_file() -> Path:
    """Where the rows are. The same for all of this process."""
    named = os.environ.get("CRASH_RESULTS")
    return Path(named or tempfile.mkdtemp(prefix="opspawn-crash-") + "/results.jsonl")


def rows() -> list[Row]:
    """The rows so far, of this run and of those before it that named the same file."""
    if not results_file().exists():
        return []
    lines = results_file().read_text(encoding="utf-8").splitlines()
    return [Row(**json.loads(line)) for line in lines]


def table(found: Iterable[Row]) -> Iterator[str]:
    """The rows as a Markdown table, with their sum."""
    found = list(found)
    total = Row(
        "**all**",
        sum(row.faults for row in found),
        sum(row.violations for row in found),
        round(sum(row.seconds for row in found), 1),
    )
    yield "| kind | faults | violations | seconds |"
    yield "|---|---:|---:|---:|"
    for row in (*found, total):
        yield f"| {row.kind} | {row.faults} | {row.violations} | {row.seconds:g} |"
