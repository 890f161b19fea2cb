"""The benchmarks as programs: they import, and what they measured becomes a table and JSON."""

import argparse
import importlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks import bench
from benchmarks.report import Report, Unavailable
from benchmarks.results import Results, percentile
from benchmarks.table import show

FOLDER = Path(bench.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture
def results() -> Results:
    results = Results()
    for rate in (50.0, 100.0, 300.0):
        results.add("no-ops", "embedded", "tasks/s", rate)
        results.add("no-ops", "dramatiq", "tasks/s", 2 * rate)
    results.add_percentiles("pickup", "embedded", [0.001, 0.002, 0.004])
    return results


@pytest.mark.parametrize("module", MODULES)
def test_every_script_imports(module: str) -> None:
    importlib.import_module(f"benchmarks.{module}")


def test_a_row_has_the_median_and_the_range_of_its_rounds(results: Results) -> None:
    row = results.rows()[0].as_json()
    assert (100.0, 50.0, 300.0) == (row["median"], row["min"], row["max"])


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [2, 4, 1] == [percentile([4, 1, 2], p) for p in (50, 99, 0)]


def test_rounds_that_were_measured_elsewhere_are_added(results: Results) -> None:
    """Each value of theirs is one more round."""
    others = Results()
    others.add("no-ops", "embedded", "tasks/s", 7.0)
    others.add("new", "embedded", "ms", 1.0)
    results.extend(others)
    assert [50.0, 100.0, 300.0, 7.0] == results.rows()[0].values
    assert [1.0] == results.rows()[-1].values


def test_percentiles_of_seconds_are_shown_in_milliseconds(results: Results) -> None:
    assert [2.0, 4.0] == [row.values[0] for row in results.rows()[2:]]


def test_the_table_shows_each_row_with_its_unit(results: Results) -> None:
    output = io.StringIO()
    show(output, {"cores": 2}, results.rows())
    shown = output.getvalue()
    assert "cores: 2" in shown
    assert shown.count("tasks/s") == 2
    assert "50.0 – 300" in shown


def test_what_cannot_be_had_is_missed_with_its_reason() -> None:
    """The rows after it are measured, and the report names it."""
    report = Report("none", argparse.Namespace())
    report.attempt("peer", failing(Unavailable("no wheel")))
    report.attempt("server", failing(TimeoutError("silent")))
    assert {"peer": "Unavailable: no wheel", "server": "TimeoutError: silent"} == report.missing


def test_a_defect_ends_the_run() -> None:
    """It must not read as something that is not there."""
    report = Report("none", argparse.Namespace())
    with pytest.raises(KeyError):
        report.attempt("ours", failing(KeyError("lost")))
    assert {} == report.missing


def failing(error: Exception) -> Callable[[], None]:
    def measure() -> None:
        raise error

    return measure
