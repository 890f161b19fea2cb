"""What a run is held to: a value or a quotient of one run, its bound, and whether it was met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TextIO

from benchmarks.results import Results
from rich.console import Console
from rich.table import Table

Measured = tuple[str, str]
"""A measurement and its system, as in the results."""


@dataclass(frozen=True, slots=True)
class Target:
    """`above` alone is held to the limit, or its quotient by `below`. `point`: of the issue that names it."""

    what: str
    bound: Literal["≥", "≤"]
    limit: float
    above: Measured
    below: Measured | None = None
    unit: str = "×"
    point: int | None = None

    def values(self, results: Results) -> list[float]:
        """One a round; empty where one of the two was not measured."""
        above = results.get(*self.above)
        if above is None:
            return []
        if self.below is None:
            return list(above.values)
        below = results.get(*self.below)
        if below is None:
            return []
        if len(above.values) != len(below.values):  # one of them is measured once in a run
            return [value / median(below.values) for value in above.values]
        return [a / b for a, b in zip(above.values, below.values, strict=True)]

    def verdict(self, values: Sequence[float]) -> str:
        if not values:
            return "not measured"
        found = median(values)
        is_met = found >= self.limit if self.bound == "≥" else found <= self.limit
        return "met" if is_met else "not met"

    def as_json(self, results: Results) -> dict[str, Any]:
        values = self.values(results)
        return {
            "point": self.point,
            "what": self.what,
            "ours": _side(self.above, results),
            "base": _side(self.below, results) if self.below else None,
            "target": f"{self.bound} {round(self.limit, 3):g} {self.unit}".strip(),
            "values": values,
            "median": median(values) if values else None,
            "verdict": self.verdict(values),
        }


def _side(measured: Measured, results: Results) -> dict[str, Any]:
    """What it was in the median; None where nothing was measured."""
    measurement, system = measured
    row = results.get(measurement, system)
    return {
        "measurement": measurement,
        "system": system,
        "median": median(row.values) if row else None,
        "unit": row.unit if row else "",
    }


def show_targets(output: TextIO, targets: Sequence[Target], results: Results) -> None:
    table = Table(title="Targets (ratios within each round)", title_justify="left")
    for name in ("what", "median", "min – max", "target", ""):
        table.add_column(name, justify="left" if name in {"what", ""} else "right")
    for target in targets:
        values = target.values(results)
        spread = f"{min(values):,.3g} – {max(values):,.3g}" if values else ""
        middle = f"{median(values):,.3g}" if values else ""
        bound = f"{target.bound} {target.limit:g} {target.unit}"
        table.add_row(target.what, middle, spread, bound, target.verdict(values))
    Console(file=output, highlight=False, width=None if output.isatty() else 132).print(table)
