"""What a run is held to: quotients within a round, their bounds, and what was not measured."""

import io

import pytest
from benchmarks.results import Results
from benchmarks.targets import Target, show_targets

OURS, THEIRS = ("done", "opspawn"), ("done", "peer")
FASTER = Target("ours ÷ theirs", "≥", 2, OURS, THEIRS)
LATENCY = Target("ours", "≤", 10, OURS, unit="ms")


def measured(ours: list[float], theirs: list[float]) -> Results:
    results = Results()
    for system, values in (("opspawn", ours), ("peer", theirs)):
        for value in values:
            results.add("done", system, "", value)
    return results


def test_a_quotient_is_taken_within_each_round() -> None:
    """A machine that slows down in one round slows both, and their quotient stays."""
    assert [2.0, 3.0] == FASTER.values(measured([200, 30], [100, 10]))


def test_what_was_measured_once_in_a_run_is_set_against_every_round() -> None:
    """With the median of what there is, for there is no round to pair it with."""
    assert [2.0, 4.0] == FASTER.values(measured([200, 400], [100]))


def test_a_target_without_a_peer_is_held_to_its_own_values() -> None:
    """Its limit is in the unit of what was measured."""
    assert [7.0, 9.0] == LATENCY.values(measured([7, 9], []))


@pytest.mark.parametrize(("ours", "theirs"), [([], [1.0]), ([1.0], [])])
def test_a_target_whose_side_is_missing_was_not_measured(
    ours: list[float], theirs: list[float]
) -> None:
    """It must read neither as met nor as missed."""
    assert "not measured" == FASTER.as_json(measured(ours, theirs))["verdict"]


@pytest.mark.parametrize(
    ("target", "values", "verdict"),
    [
        (FASTER, [2.0], "met"),
        (FASTER, [1.99], "not met"),
        (LATENCY, [10.0], "met"),
        (LATENCY, [10.1], "not met"),
        (FASTER, [0.1, 2.0, 90.0], "met"),
        (FASTER, [1.0, 1.0, 90.0], "not met"),
    ],
)
def test_the_median_decides_and_the_limit_itself_is_met(
    target: Target, values: list[float], verdict: str
) -> None:
    """One lucky round meets nothing, and one unlucky round fails nothing."""
    assert verdict == target.verdict(values)


def test_the_table_shows_the_spread_the_bound_and_the_verdict() -> None:
    """A reader sees how far from the bound each target is."""
    output = io.StringIO()
    show_targets(output, [FASTER, LATENCY], measured([300, 100], [100, 100]))
    shown = output.getvalue()
    assert "1 – 3" in shown
    assert "≥ 2 ×" in shown
    assert "not met" in shown
