"""A process is killed at every instruction, or frozen at every line; every promise is kept."""

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from results import FULL, record
from sweep_acts import ACTS, Act
from sweep_lanes import LANES, in_lanes, share
from sweep_trials import FREEZE, FREEZE_HALF_WAY, KILL, Lane, Points, Strike, Tally

from support.servers import NewDatabase

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("OPSPAWN_CRASH_SEED", random.SystemRandom().randrange(10**6)))

#: All places of all acts: an hour and a half on two processors that have nothing else to do.
EVERY = os.environ.get("OPSPAWN_CRASH_SWEEP") == "every"

#: How many places of each act are struck in the short matrix.
SHORT = {KILL.kind: 12, FREEZE.kind: 4, FREEZE_HALF_WAY.kind: 4}

#: In the full one: every moment, and so many places besides.
BESIDES = {KILL.kind: 300, FREEZE.kind: 30, FREEZE_HALF_WAY.kind: 30}


def places(points: Points, strike: Strike, act: Act) -> list[int]:
    """Which of an act's places are struck, in an order that the seed decides."""
    chance = random.Random(f"{SEED} {strike.kind} {act.name}")
    if EVERY:
        return points.sample(chance, points.count)
    if FULL:
        return points.every_moment(chance, BESIDES[strike.kind])
    return points.every_moment(chance, SHORT[strike.kind])[: SHORT[strike.kind]]


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
        acts = list(ACTS.values())
        tallies = []
        for act in acts if FULL or EVERY else share(acts, number):
            points = lane.points(act, strike)
            at = places(points, strike, act)
            tally = Tally(act.name, points.count)
            tallies.append(
                lane.sweep(act, strike, share(at, number) if FULL or EVERY else at, tally)
            )
        return tallies

    found = in_lanes([new_database() for _ in range(LANES)], tmp_path, work)
    for kind, tally in families(strike, found).items():
        record(kind, tally.faults, len(tally.violations), tally.seconds)
    assert [] == [what for tally in found for what in tally.violations], f"seed {SEED}"
    assert [] == [tally.kind for tally in found if not tally.faults], "nothing was struck"
