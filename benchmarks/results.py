"""What was measured: one value a round for each measurement of each system, and what they come to."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(slots=True)
class Row:
    """One line of the table. `values` has one entry a round."""

    measurement: str
    system: str
    unit: str
    values: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "measurement": self.measurement,
            "system": self.system,
            "unit": self.unit,
            "values": self.values,
            "median": median(self.values),
            "min": min(self.values),
            "max": max(self.values),
        }


class Results:
    """The rows of a run, in the order in which they were first measured."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}

    def add(self, measurement: str, system: str, unit: str, value: float) -> None:
        row = self._rows.setdefault((measurement, system), Row(measurement, system, unit))
        row.values.append(value)

    def add_percentiles(self, measurement: str, system: str, seconds: Sequence[float]) -> None:
        """Adds this round's p50 and p99, in milliseconds."""
        for percent in (50, 99):
            value = percentile(seconds, percent) * 1000
            self.add(f"{measurement}, p{percent}", system, "ms", value)

    def extend(self, others: "Results") -> None:
        """Adds what was measured elsewhere, as a round of its own."""
        for row in others.rows():
            for value in row.values:
                self.add(row.measurement, row.system, row.unit, value)

    def get(self, measurement: str, system: str) -> Row | None:
        return self._rows.get((measurement, system))

    def rows(self) -> list[Row]:
        """One measurement's systems beside each other, however they were interleaved."""
        order = list(dict.fromkeys(row.measurement for row in self._rows.values()))
        return sorted(self._rows.values(), key=lambda row: order.index(row.measurement))


def percentile(values: Iterable[float], percent: float) -> float:
    """Nearest rank: always a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
