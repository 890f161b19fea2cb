"""The soak: what counts as flat, which stages are done, and what the pieces of its figures are taken from."""

import fcntl
import json
import random
from pathlib import Path

import pytest
from benchmarks import machine, soak, soak_growth, soak_long, soak_memory
from benchmarks import report as reports
from benchmarks.cpu import is_for
from benchmarks.flatness import Look, after, growth, slope
from benchmarks.markdown import page
from benchmarks.report import Report
from benchmarks.results import Results
from benchmarks.soak_record import finished
from benchmarks.soak_stage import Stage
from benchmarks.targets import Target
from benchmarks.windows import Window, holding

COMMIT = "abc1234"
OURS = ("done", "opspawn")
DONE = Target("done", "≥", 1, OURS)


def looks(*values: float, every_s: float = 10.0) -> list[Look]:
    return [Look(number * every_s, value) for number, value in enumerate(values)]


def verdicts(stage: Stage, results: Results) -> set[str]:
    return {target.verdict(target.values(results)) for target in stage.targets}


# Flat, or not


def test_the_slope_is_what_it_grows_by_in_a_second() -> None:
    assert 0.5 == slope(looks(100, 105, 110, 115))


def test_outliers_make_no_slope() -> None:
    """One look of ten in the middle of a burst says nothing about what stays."""
    assert 0 == slope(looks(100, 100, 100, 900, 100, 100, 100, 100, 100, 100))


def test_a_leak_is_seen_through_noise() -> None:
    """A process of 100 MB that gains 3 MB within twenty minutes, and swings by 1 MB, has grown."""
    noise = random.Random(1)
    leaking = looks(*(100 + 3 * n / 120 + noise.uniform(-1, 1) for n in range(121)))
    assert soak_memory.MOST_GROWTH < growth(leaking) < 0.04


def test_noise_alone_is_flat() -> None:
    """Even when it is as large as the leak of the test above."""
    noise = random.Random(1)
    flat = looks(*(100 + noise.uniform(-3, 3) for _ in range(121)))
    assert abs(growth(flat)) < soak_memory.MOST_GROWTH


def test_the_warm_up_does_not_count() -> None:
    """Caches fill and pools open in it: that is no leak."""
    assert 0 == growth(after(looks(10, 50, 100, 100, 100), 20.0))


def test_two_looks_are_the_least() -> None:
    """A run that is too short must not read as flat."""
    with pytest.raises(ValueError, match="run for longer"):
        slope(looks(100))


# What can be missed


@pytest.mark.parametrize(("cost", "verdict"), [(1.15, "met"), (1.16, "not met"), (0.84, "not met")])
def test_a_cost_that_grows_with_the_store_misses_its_target(cost: float, verdict: str) -> None:
    """And one that falls by more: something else was measured than a task."""
    results = Results()
    for stored in soak_growth.STORED:
        is_last = stored == soak_growth.STORED[-1]
        results.add(soak_growth.COST, soak_growth.system(stored), "ms", cost if is_last else 1)
    wanted = {"met"} if verdict == "met" else {"met", "not met"}
    assert wanted == verdicts(soak_growth.STAGE, results)


@pytest.mark.parametrize(("lost", "verdict"), [(0, "met"), (1, "not met")])
def test_one_lost_task_misses_the_target(lost: int, verdict: str) -> None:
    results = Results()
    results.add(soak_memory.LOST, soak_memory.OURS, "tasks", lost)
    assert {verdict, "not measured"} == verdicts(soak_memory.STAGE, results)


def test_a_test_that_was_skipped_has_not_passed() -> None:
    """Nor one that failed, or whose servers did not start."""
    cases = "".join(f"<testcase>{bad}</testcase>" for bad in ("", "<failure/>", "<skipped/>"))
    assert (1, 2) == soak_long.counts(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


def test_the_sessions_of_another_database_are_not_in_a_cost() -> None:
    """What the server does for all is, and autovacuum is not."""
    counted = {
        "postgres: opspawn one 127.0.0.1(5000) idle ": True,
        "postgres: opspawn other 127.0.0.1(5001) idle ": False,
        "postgres: walwriter ": True,
        "postgres: autovacuum worker one ": False,
    }
    assert counted == {title: is_for(title, "one") for title in counted}


# What is done is not done again


def stage(ran: list[str], name: str = "one") -> Stage:
    def measure(report: Report, _window: Window) -> None:
        ran.append(name)
        report.results.add(*OURS, "", report.options.tasks)

    return Stage(name, "a stage", {"tasks": 9}, {"tasks": 1}, [DONE], measure)


def broken(_report: Report, _window: Window) -> None:
    raise ConnectionError("no server")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reports go there, and are of one commit."""
    monkeypatch.setattr(reports, "REPORTS", tmp_path)
    monkeypatch.setattr(soak, "REPORTS", tmp_path)
    for module in (soak, machine):
        monkeypatch.setattr(module, "commit", lambda: COMMIT)
    return tmp_path


def test_a_stage_that_is_done_is_not_run_again(folder: Path) -> None:
    """Unless it is asked for; the stage that was not done yet is run."""
    ran: list[str] = []
    stages = {"one": stage(ran), "two": stage(ran, "two")}
    soak.main(["--stage", "one"], stages)
    soak.main([], stages)
    assert ["one", "two"] == ran
    soak.main(["--stage", "one", "--again"], stages)
    assert ["one", "two", "one"] == ran


def test_a_quick_run_is_no_run(folder: Path) -> None:
    """Nor is that of another commit, or one that was not written to its end."""
    ran: list[str] = []
    soak.main(["--quick"], {"one": stage(ran)})
    assert None is finished(folder, "soak-one", COMMIT, is_quick=False)
    found = finished(folder, "soak-one", COMMIT, is_quick=True)
    assert found is not None
    assert None is finished(folder, "soak-one", "other", is_quick=True)
    found.write_text(found.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert None is finished(folder, "soak-one", COMMIT, is_quick=True)


def test_a_checkout_with_changes_is_never_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell whether they are still the same."""
    ran: list[str] = []
    for module in (soak, machine):
        monkeypatch.setattr(module, "commit", lambda: f"{COMMIT}-dirty")
    for _ in range(2):
        soak.main([], {"one": stage(ran)})
    assert ["one", "one"] == ran


def test_a_stage_that_fails_is_told_and_the_next_one_is_run(folder: Path) -> None:
    """It ends with 1, and is tried again the next time."""
    ran: list[str] = []
    failing = Stage("bad", "a stage", {}, {}, [DONE], broken)
    stages = {"bad": failing, "one": stage(ran)}
    assert 1 == soak.main([], stages)
    assert ["one"] == ran
    [written] = folder.glob("soak-bad-*.json")
    report = json.loads(written.read_text(encoding="utf-8"))
    assert {"bad": "ConnectionError: no server"} == report["not_measured"]
    assert None is finished(folder, "soak-bad", COMMIT, is_quick=False)


def test_a_report_is_a_page_with_rows_and_verdicts(folder: Path) -> None:
    """Beside the JSON, for docs to quote."""
    soak.main([], {"one": stage([])})
    [text] = folder.glob("soak-one-*.md")
    assert "| done | opspawn | 9.00 | 9.00 – 9.00 |  |" in text.read_text(encoding="utf-8")
    assert "| done | 9 | 9 – 9 | ≥ 1 × | met |" in text.read_text(encoding="utf-8")


def test_a_target_that_was_not_measured_is_no_figure() -> None:
    assert "| done |  |  | ≥ 1 × | not measured |" in page("none", {}, Results(), [DONE])


def test_others_wait_while_something_is_measured(tmp_path: Path) -> None:
    """Those that take the same lock; after it they go on."""
    path = tmp_path / "lock"
    with path.open("a") as other:
        with holding([path]), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


@pytest.mark.parametrize("name", list(soak.STAGES))
def test_each_stage_has_the_same_sizes_in_small(name: str) -> None:
    """So that what `--quick` has shown to run is what runs."""
    one = soak.STAGES[name]
    assert one.full.keys() == one.quick.keys()
