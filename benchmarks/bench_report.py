"""What a run of `make bench` leaves: the parts' reports in one, as a table, JSON and Markdown."""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.bench_parts import Part
from benchmarks.machine import machine_facts
from benchmarks.markdown import head, rows, table
from benchmarks.report import write
from benchmarks.results import Results
from benchmarks.summary import QUICK, Found, explained, show_summary, summary

PartReport = Mapping[str, Any]
"""As a part has written it."""


@dataclass(slots=True)
class Whole:
    """The parts that are to be measured, and what each has left so far."""

    options: argparse.Namespace
    parts: Sequence[Part]
    reports: dict[str, PartReport] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine_facts)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def took(self, part: Part, report: PartReport | str) -> None:
        """`report`: or why there is none."""
        if isinstance(report, str):
            report = _nothing(part, report)
        self.reports[part.name] = report
        self.machine = {**report["machine"], **self.machine}

    def end(self) -> int:
        """Shows and writes it. Returns the exit code: 1 when something is missing."""
        seconds = round((datetime.now(UTC) - self.began).total_seconds())
        targets = list(self._targets())
        missing = {name: dict(report["not_measured"]) for name, report in self._all()}
        missing = {name: why for name, why in missing.items() if why}
        show_summary(sys.stdout, targets, is_quick=self.options.quick)
        for name, why in missing.items():
            print(*(f"NOT MEASURED  {name}: {one}: {said}" for one, said in why.items()), sep="\n")
        report = {
            "date": self.began.isoformat(timespec="seconds"),
            "seconds": seconds,
            "complete": len(self.reports) == len(self.parts),
            "machine": self.machine,
            "targets": targets,
            "not_measured": missing,
            "parts": self.reports,
        }
        write(self.options.output, "bench", self.began, report, self._page(seconds, targets))
        return 1 if missing else 0

    def _all(self) -> Iterator[tuple[str, PartReport]]:
        """Of every part that was to be measured, whether or not its turn came."""
        for part in self.parts:
            yield (
                part.name,
                self.reports.get(part.name) or _nothing(part, "the run ended before it"),
            )

    def _targets(self) -> Iterator[Found]:
        """In the order of their points; those of no point come last."""
        found = [target for _, report in self._all() for target in explained(report)]
        yield from sorted(found, key=lambda target: target["point"] or math.inf)

    def _page(self, seconds: int, targets: Sequence[Found]) -> str:
        lines = [*head("make bench", {**self.machine, "seconds": seconds}), ""]
        lines += [f"{QUICK}.", ""] if self.options.quick else []
        lines += summary(targets)
        for name, report in self._all():
            lines += ["", f"## {name}: {report.get('seconds', 0)} s", ""]
            lines += rows(report["results"])
            if told := report.get("configurations"):
                lines += ["", *table(("system", "configuration"), told.items())]
            lines += [
                f"\n**Not measured**: {one}: {why}" for one, why in report["not_measured"].items()
            ]
        return "\n".join(lines) + "\n"


def _nothing(part: Part, why: str) -> dict[str, Any]:
    """The report of a part that left none."""
    return {
        "machine": {},
        "results": [],
        "targets": [target.as_json(Results()) for target in part.targets],
        "not_measured": {part.name: why},
    }
