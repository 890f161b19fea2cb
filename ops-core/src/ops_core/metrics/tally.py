"""Counts calls and how long they took: plain numbers, because every request of a door pays for them."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Upper bounds of how long calls took. Seconds.
BOUNDS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


@dataclass(slots=True)
class Durations:
    """How long calls of one kind took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """By the first bound that was enough; the last for what no bound is."""

    sum_s: float = 0.0


class Tally:
    """The calls of one door. Kinds and outcomes come from closed lists, so there are few of them."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], Durations] = {}

    def note(self, method: str, route: str, outcome: str, took_s: float | None) -> None:
        """Counts a call. `took_s`: None for one whose length says nothing, such as a stream."""
        kind = (method, route, outcome)
        self._outcomes[kind] = self._outcomes.get(kind, 0) + 1
        if took_s is None:
            return
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = Durations()
        durations.counts[bisect_left(BOUNDS_S, took_s)] += 1
        durations.sum_s += took_s

    @property
    def outcomes(self) -> Mapping[tuple[str, str, str], int]:
        """How many calls, by method, route and outcome."""
        return self._outcomes

    @property
    def durations(self) -> Mapping[tuple[str, str], Durations]:
        """How long they took, by method and route."""
        return self._durations
