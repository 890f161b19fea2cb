"""The checks can fail: each of these breakages of the protocol is found by the check that is there for it."""

import random
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from results import record
from sweep_acts import ACTS
from sweep_lanes import LANES, Forked, results, share
from sweep_mutants import MUTANTS, Encounter, Mutant, Sweep
from sweep_scenarios import SCENARIOS
from sweep_trials import Lane, Tally, Unharmed

from support.servers import NewDatabase

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

#: A mutant is said to live when it got through every moment, and through so many places besides.
BESIDES = 50


def finding(mutant: Mutant, lane: Lane) -> str | None:
    """What its check says of a mutant, which this process has become; None when it lives."""
    match mutant.caught_by:
        case Encounter(name):
            return lane.encounter(SCENARIOS[name])
        case Sweep(strike, name):
            act = ACTS[name]
            try:
                points = lane.points(act, strike)
            except Unharmed as error:
                return str(error)
            chance = random.Random(mutant.name)
            at = [*points.every_moment(chance), *points.sample(chance, BESIDES)]
            tally = lane.sweep(act, strike, at, Tally(mutant.name), fail_fast=True)
            return "; ".join(tally.violations) or None


@pytest.mark.timeout(600)
def test_no_mutant_lives(new_database: NewDatabase, tmp_path: Path) -> None:
    """At least 25 deliberate breakages, each in a process of its own; all are caught."""

    def work(number: int, url: str) -> list[tuple[str, str, str | None]]:
        return list(_caught(number, url, tmp_path))

    started = time.monotonic()
    urls = [new_database() for _ in range(LANES)]
    lanes = [
        Forked(f"lane{number}", tmp_path, partial(work, number, url))
        for number, url in enumerate(urls)
    ]
    found = {name: (by, what) for part in results(lanes) for name, by, what in part}
    table = [f"{name} | {by} | {what}" for name, (by, what) in found.items()]
    (tmp_path / "mutants.txt").write_text("\n".join(table))
    survivors = [
        f"{mutant.name}: {found[mutant.name][1]}"
        for mutant in MUTANTS
        if not re.search(mutant.says, found[mutant.name][1] or "")
    ]
    record(f"mutants: {len(found)}", len(found), len(survivors), time.monotonic() - started)
    assert not survivors, "\n".join(survivors)
    assert len(MUTANTS) == len(found)
    assert len(found) >= 25


def _caught(number: int, url: str, folder: Path) -> Iterator[tuple[str, str, str | None]]:
    """One mutant after another; the tables are emptied in between, because a mutant leaves wrecks."""
    for mutant in share(MUTANTS, number):
        name = f"mutant{MUTANTS.index(mutant)}"

        def work(mutant: Mutant = mutant, name: str = name) -> str | None:
            mutant.apply()
            lane = Lane(name, url, folder)
            lane.empty()
            return finding(mutant, lane)

        [what] = results([Forked(name, folder, work)])
        yield mutant.name, str(mutant.caught_by), what


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> str:
    return new_database()


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_encounter_breaks_nothing(name: str, database: str, tmp_path: Path) -> None:
    """What the mutants fail at, the code as it is passes."""

    def work() -> str | None:
        tenants = name.replace(" ", "-")  # theirs begin with it
        return Lane(tenants, database, tmp_path).encounter(SCENARIOS[name])

    assert [None] == results([Forked("encounter", tmp_path, work)])
