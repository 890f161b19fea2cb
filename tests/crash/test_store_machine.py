"""The stores against a state machine that tries whatever clients, workers and upkeep may do, in any order."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from family_machine import FamilyMachine
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from results import FULL
from twin_stores import START, Twins, memory_side, postgres_side

from ops_core.testing import FrozenClock

# Half of it needs a server, and all of it half a minute.
pytestmark = pytest.mark.integration


def profile(short: int, full: int) -> settings:
    return settings(
        max_examples=full if FULL else short,
        stateful_step_count=80 if FULL else 40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def search(twins: Callable[[], Twins], run: Callable[[Any], Any], how: settings) -> None:
    machine = type(
        "Machine", (FamilyMachine,), {"twins": staticmethod(twins), "run": staticmethod(run)}
    )
    run_state_machine_as_test(machine, settings=how)


@pytest.mark.timeout(1200 if FULL else 300)
def test_the_memory_store_keeps_every_promise_in_any_order() -> None:
    """Many orders of events, on the store that costs nothing."""

    def twins() -> Twins:
        clock = FrozenClock(START)
        return Twins(clock, [memory_side(clock)])

    with asyncio.Runner() as runner:
        search(twins, runner.run, profile(150, 300))


@pytest.mark.timeout(1800 if FULL else 300)
def test_postgresql_keeps_every_promise_and_answers_as_the_memory_store_does(
    database_url: str,
) -> None:
    """Both stores, side by side, asked the same: each answer, row and event must be the same."""
    with asyncio.Runner() as runner:
        opened = postgres_side(database_url)
        postgres = runner.run(opened.__aenter__())

        def twins() -> Twins:
            clock = FrozenClock(START)
            return Twins(clock, [memory_side(clock), runner.run(postgres.empty(clock))])

        try:
            search(twins, runner.run, profile(15, 80))
        finally:
            runner.run(opened.__aexit__(None, None, None))
