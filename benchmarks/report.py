"""What a run leaves, shown and as files: the machine, the rows, the targets and what was not measured."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import machine_facts
from benchmarks.markdown import page
from benchmarks.results import Results
from benchmarks.table import show
from benchmarks.targets import Target, show_targets

REPORTS = Path(__file__).resolve().parent / "reports"


class Unavailable(Exception):
    """What is to be measured cannot be had here, or did not do its work; the message says why."""


#: What says that a row cannot be had; anything else is a defect of the run.
MISSING: Final = (Unavailable, TimeoutError, ConnectionError, AssertionError)


@dataclass(slots=True)
class Report:
    """One run of the benchmark `name`."""

    name: str
    options: argparse.Namespace
    targets: Sequence[Target] = ()
    results: Results = field(default_factory=Results)
    machine: dict[str, Any] = field(default_factory=machine_facts)
    missing: dict[str, str] = field(default_factory=dict)
    """What was not measured, and why."""

    configurations: dict[str, str] = field(default_factory=dict)
    """How each system was set up."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def miss(self, what: str, error: Exception) -> None:
        self.missing[what] = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"not measured: {what}: {error}")

    def attempt(self, what: str, measure: Callable[[], None]) -> None:
        """Measures it, or misses it where a peer or a server cannot be had; any other error is a defect."""
        try:
            measure()
        except MISSING as error:
            self.miss(what, error)

    def end(self) -> int:
        """Shows and writes it. Returns the exit code: 1 when something is missing."""
        seconds = round((datetime.now(UTC) - self.began).total_seconds())
        show(sys.stdout, self.machine | {"seconds": seconds}, self.results.rows())
        if self.targets:
            show_targets(sys.stdout, self.targets, self.results)
        for what, why in self.missing.items():
            print(f"NOT MEASURED  {what}: {why}")
        told = self.machine | {"seconds": seconds, "options": self._options}
        text = page(self.name, told, self.results, self.targets, self.configurations)
        folder = getattr(self.options, "output", None) or REPORTS
        write(folder, self.name, self.began, self._json(seconds), text)
        return 1 if self.missing else 0

    @property
    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self.options).items() if name != "output"}

    def _json(self, seconds: int) -> dict[str, Any]:
        return {
            "date": self.began.isoformat(timespec="seconds"),
            "seconds": seconds,
            "machine": self.machine,
            "options": self._options,
            "configurations": self.configurations,
            "results": [row.as_json() for row in self.results.rows()],
            "targets": [target.as_json(self.results) for target in self.targets],
            "not_measured": self.missing,
        }


def add_output(parser: argparse.ArgumentParser) -> None:
    """For a benchmark that `make bench` runs as one of its parts."""
    parser.add_argument("--output", type=Path, default=REPORTS, help="the folder of its report")


def write(folder: Path, name: str, began: datetime, report: object, text: str) -> None:
    """As JSON, and beside it as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{began:%Y-%m-%dT%H%M%SZ}.json"
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    say(f"written: {file}, and beside it {file.stem}.md")


def say(line: str) -> None:
    print(f"→ {line}", file=sys.stderr, flush=True)
