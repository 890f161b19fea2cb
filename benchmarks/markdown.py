"""A report as a page of Markdown: what docs quote."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.results import Results
from benchmarks.table import number
from benchmarks.targets import Target


def page(
    title: str,
    machine: Mapping[str, Any],
    results: Results,
    targets: Sequence[Target],
    configurations: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The machine, the rows with median and range, the targets with verdicts, how systems were set up."""
    lines = [*head(title, machine), "", *rows(row.as_json() for row in results.rows())]
    if targets:
        lines += ["", *_targets(targets, results)]
    if configurations:
        lines += ["", *table(("system", "configuration"), configurations.items())]
    return "\n".join(lines) + "\n"


def head(title: str, machine: Mapping[str, Any]) -> list[str]:
    return [f"# {title}", "", *(f"* {name}: {value}" for name, value in machine.items())]


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """All of text: left-aligned."""
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for line in lines:
        yield f"| {' | '.join(line)} |"


def rows(measured: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Rows as they are in a report's JSON."""
    yield "| what | system | median | range | unit |"
    yield "|---|---|---:|---:|---|"
    for found in measured:
        spread = f"{number(found['min'])} – {number(found['max'])}"
        what = f"{found['measurement']} | {found['system']}"
        yield f"| {what} | {number(found['median'])} | {spread} | {found['unit']} |"


def _targets(targets: Sequence[Target], results: Results) -> Iterator[str]:
    yield "| target | median | range | bound | |"
    yield "|---|---:|---:|---|---|"
    for target in targets:
        found = target.as_json(results)
        values = found["values"]
        spread = f"{min(values):,.3g} – {max(values):,.3g}" if values else ""
        middle = f"{found['median']:,.3g}" if values else ""
        yield f"| {target.what} | {middle} | {spread} | {found['target']} | {found['verdict']} |"
