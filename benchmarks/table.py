"""The table of a run, for people."""

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from benchmarks.results import Row
from rich.console import Console
from rich.table import Table

#: Wide enough for every row where the output is no terminal, as in a log.
PLAIN_WIDTH = 132


def show(output: TextIO, machine: Mapping[str, Any], rows: Sequence[Row]) -> None:
    console = Console(file=output, highlight=False, width=None if output.isatty() else PLAIN_WIDTH)
    for name, value in machine.items():
        console.print(f"{name}: {value}", markup=False)
    console.print(_table(rows))


def _table(rows: Sequence[Row]) -> Table:
    title = "Measured (median of the rounds, and their range)"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("system")
    table.add_column("median", justify="right")
    table.add_column("min – max", justify="right")
    table.add_column("unit")
    before = ""
    for row in rows:
        summary = row.as_json()
        spread = f"{number(summary['min'])} – {number(summary['max'])}"
        what = "" if row.measurement == before else row.measurement
        table.add_row(what, row.system, number(summary["median"]), spread, row.unit)
        before = row.measurement
    return table


def number(value: float) -> str:
    """Three significant digits, which is more than the spread allows."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
