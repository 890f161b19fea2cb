"""A process is killed at every instruction, or frozen at every line; every promise is kept."""

import math
import os
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from results import FULL, record
from sweep_acts import ACTS, Act
from sweep_lanes import LANES, in_lanes, share
from sweep_trials import FREEZE, FREEZE_HALF_WAY, KILL, Lane, Points, Strike, Tally

from support.servers import NewDatabase

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

SEED = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))

#: All places of all acts: an hour and a half on two processors that have nothing else to do.
EVERY = os.environ.get("CRASH_SWEEP") == "every"

#: How many places of each act are struck in the short matrix.
SHORT = {KILL.kind: 12, FREEZE.kind: 4, FREEZE_HALF_WAY.kind: 4}

#: The full one strikes at every moment, and at places from anywhere until so many seconds have passed.
FULL_S = {KILL.kind: 400.0, FREEZE.kind: 90.0, FREEZE_HALF_WAY.kind: 90.0}

#: Places of one act that are struck before it is the next one's turn.
TURN = 40


class Matrix:
    """What one lane does of the matrix for one kind of strike."""

    def __init__(self, lane: Lane, number: int, strike: Strike) -> None:
        self._lane = lane
        self._number = number
        self._strike = strike
        self._chance = random.Random(f"{SEED} {strike.kind}")
        self._tallies: dict[str, Tally] = {}

    def short(self) -> list[Tally]:
        """A sample of each act; the lanes share the acts."""
        for act in share(list(ACTS.values()), self._number):
            places = self._points(act).every_moment(self._chance)
            self._sweep(act, places[: SHORT[self._strike.kind]])
        return list(self._tallies.values())

    def full(self) -> list[Tally]:
        """Every moment of every act, then more places of each in turn; the lanes share the places."""
        end = time.monotonic() + FULL_S[self._strike.kind]
        rest: dict[str, Sequence[int]] = {}
        for act in ACTS.values():
            points = self._points(act)
            self._sweep(act, share(points.every_moment(self._chance), self._number))
            rest[act.name] = share(points.sample(self._chance, points.count), self._number)
        for turn in range(0, max(map(len, rest.values())), TURN):
            for name, places in rest.items():
                if time.monotonic() < end:
                    self._sweep(ACTS[name], places[turn : turn + TURN], until=end)
        return list(self._tallies.values())

    def every(self) -> list[Tally]:
        """Every place of every act; the lanes share the places."""
        for act in ACTS.values():
            points = self._points(act)
            self._sweep(act, share(points.sample(self._chance, points.count), self._number))
        return list(self._tallies.values())

    def _points(self, act: Act) -> Points:
        points = self._lane.points(act, self._strike)
        self._tallies[act.name] = Tally(act.name, points.count)
        return points

    def _sweep(self, act: Act, places: Sequence[int], until: float = math.inf) -> None:
        self._lane.sweep(act, self._strike, places, self._tallies[act.name], until=until)


def families(strike: Strike, tallies: Iterable[Tally]) -> dict[str, Tally]:
    """One row for all acts of a name, as the table shows them: `run` for `run, drained` too."""
    sums: dict[str, Tally] = {}
    for tally in tallies:
        family = f"{strike.kind}: {tally.kind.partition(',')[0]}"
        total = sums.setdefault(family, Tally(family))
        total.points += tally.points
        total.faults += tally.faults
        total.seconds += tally.seconds
        total.violations += tally.violations
    return {f"{family}, of {total.points:,} places": total for family, total in sums.items()}


@pytest.mark.timeout(6 * 3600 if EVERY else 1800)
@pytest.mark.parametrize("strike", [KILL, FREEZE, FREEZE_HALF_WAY], ids=lambda strike: strike.kind)
def test_whatever_is_struck_heals_and_keeps_its_promises(
    strike: Strike, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Nothing accepted is lost, nothing committed runs again, nothing unsafe runs twice, everything ends."""

    def work(lane: Lane, number: int) -> list[Tally]:
        matrix = Matrix(lane, number, strike)
        if EVERY:
            return matrix.every()
        return matrix.full() if FULL else matrix.short()

    found = in_lanes([new_database() for _ in range(LANES)], tmp_path, work)
    for kind, tally in families(strike, found).items():
        record(kind, tally.faults, len(tally.violations), tally.seconds)
    assert [] == [what for tally in found for what in tally.violations], f"seed {SEED}"
    assert [] == [tally.kind for tally in found if not tally.faults], "nothing was struck"
