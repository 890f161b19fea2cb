"""A report as a page of Markdown: what docs quote."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.results import Results
from benchmarks.table import number
from benchmarks.targets import Target


def page(
    title: str, machine: Mapping[str, Any], results: Results, targets: Sequence[Target]
) -> str:
    """The machine, the rows with median and range, and the targets with their verdicts."""
    lines = [f"# {title}", "", *(f"* {name}: {value}" for name, value in machine.items())]
    lines += ["", *_rows(results)]
    if targets:
        lines += ["", *_targets(targets, results)]
    return "\n".join(lines) + "\n"


def _rows(results: Results) -> Iterator[str]:
    yield "| what | system | median | range | unit |"
    yield "|---|---|---:|---:|---|"
    for row in results.rows():
        found = row.as_json()
        spread = f"{number(found['min'])} – {number(found['max'])}"
        yield f"| {row.measurement} | {row.system} | {number(found['median'])} | {spread} | {row.unit} |"


def _targets(targets: Sequence[Target], results: Results) -> Iterator[str]:
    yield "| target | median | range | bound | |"
    yield "|---|---:|---:|---|---|"
    for target in targets:
        found = target.as_json(results)
        values = found["values"]
        spread = f"{min(values):,.3g} – {max(values):,.3g}" if values else ""
        middle = f"{found['median']:,.3g}" if values else ""
        yield f"| {target.what} | {middle} | {spread} | {found['target']} | {found['verdict']} |"
