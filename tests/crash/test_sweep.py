"""A process is killed at every instruction, or frozen at every line; every promise is kept."""

import os
import random
from pathlib import Path

import pytest
from results import FULL, record
from sweep_acts import ACTS, Act
from sweep_lanes import LANES, in_lanes, share
from sweep_trials import FREEZE, FREEZE_HALF_WAY, KILL, Lane, Strike, Tally

from support.servers import NewDatabase

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("OPSPAWN_SWEEP_SEED", random.SystemRandom().randrange(10**6)))

#: How many places of each act are struck in the short matrix.
SHORT = {KILL.kind: 16, FREEZE.kind: 5, FREEZE_HALF_WAY.kind: 5}

#: The same in the full matrix: every place of nearly every act, and as many as time allows of the longest.
MOST = 2_000


def places(points: int, strike: Strike, act: Act) -> list[int]:
    """Which of an act's points are struck: all, or a sample by the seed, in any case in a random order."""
    size = MOST if FULL else SHORT[strike.kind]
    chance = random.Random(f"{SEED} {strike.kind} {act.name}")
    return chance.sample(range(1, points + 1), min(size, points))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strike", [KILL, FREEZE, FREEZE_HALF_WAY], ids=lambda strike: strike.kind)
def test_whatever_is_struck_heals_and_keeps_its_promises(
    strike: Strike, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Nothing accepted is lost, nothing committed runs again, nothing unsafe runs twice, everything ends."""

    def work(lane: Lane, number: int) -> list[Tally]:
        acts = list(ACTS.values())
        tallies = []
        for act in acts if FULL else share(acts, number):
            points = lane.points(act, strike)
            at = places(points, strike, act)
            tally = Tally(f"{strike.kind}: {act.name}", points)
            tallies.append(lane.sweep(act, strike, share(at, number) if FULL else at, tally))
        return tallies

    found = in_lanes([new_database() for _ in range(LANES)], tmp_path, work)
    for tally in found:
        record(tally.kind, tally.faults, len(tally.violations), tally.seconds)
    assert [] == [what for tally in found for what in tally.violations], f"seed {SEED}"
    assert [] == [tally.kind for tally in found if not tally.faults], "nothing was struck"
