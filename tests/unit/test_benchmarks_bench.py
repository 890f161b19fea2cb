"""`make bench`: parts in one table, how long they still take, and nothing that is missing in silence."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from benchmarks import bench
from benchmarks.bench_parts import PARTS, Part
from benchmarks.countdown import Countdown, spoken
from benchmarks.peers.configurations import configurations
from benchmarks.reach_targets import TARGETS
from benchmarks.results import Results
from benchmarks.summary import explained, line
from benchmarks.targets import Target
from benchmarks.waiting import in_a_new_process

OURS, PEER = ("done", "opspawn"), ("done", "peer")
RATIO = Target("ours ÷ peer's", "≥", 2, OURS, PEER, point=1)
ALONE = Target("ours", "≤", 10, OURS, unit="ms", point=3)

#: A part that says a line, waits for nobody and leaves what a part leaves.
SCRIPT = """\
import json, sys
print("→ round 1", file=sys.stderr)
report = {report}
folder = sys.argv[sys.argv.index("--output") + 1]
open(folder + "/part.json", "w").write(json.dumps(report))
"""


def found(target: Target, missing: dict[str, str], **values: list[float]) -> dict[str, Any]:
    """The target as it stands in the report of a part in which so much was measured."""
    results = Results()
    for system, each in values.items():
        for value in each:
            results.add("done", system, "tasks/s", value)
    report = {"targets": [target.as_json(results)], "not_measured": missing}
    [one] = explained(report)
    return one


def test_a_line_has_both_sides_their_ratio_and_the_verdict() -> None:
    """Each in its median, the ratio with its range within the rounds."""
    wanted = (
        *("1", "ours ÷ peer's", "400 tasks/s", "peer 100 tasks/s"),
        *("4 (3–4)", "≥ 2 ×", "met"),
    )
    assert wanted == line(found(RATIO, {}, opspawn=[400, 300, 400], peer=[100, 100, 100]))


def test_a_value_without_a_peer_has_no_ratio() -> None:
    assert ("3", "ours", "12.0 tasks/s", "", "", "≤ 10 ms", "not met") == line(
        found(ALONE, {}, opspawn=[12])
    )


def test_a_peer_that_could_not_be_had_is_named_with_the_reason() -> None:
    """In the line of each target that needs it, beside what ours did."""
    told = line(found(RATIO, {"peer": "PeerUnavailable: no wheel"}, opspawn=[400]))
    assert ("400 tasks/s", "peer", "") == told[2:5]
    assert "NOT MEASURED: peer: PeerUnavailable: no wheel" == told[6]


def test_what_is_missed_by_its_measurement_is_found_too() -> None:
    """Percentiles of it among them."""
    target = Target("p50", "≤", 1, ("wake, p50", "opspawn"), unit="ms")
    assert (
        "NOT MEASURED: wake: TimeoutError: slow"
        == line(found(target, {"wake": "TimeoutError: slow"}))[6]
    )


# How long it still takes


def test_time_left_is_that_of_the_parts_that_are_not_done() -> None:
    """While nothing has begun yet, as for as long as others hold the machine, it is that of all."""
    now = [5000.0]
    left = Countdown([60, 30, 10], lambda: now[0])
    assert 100 == left.left_s()
    left.begin()
    assert 100 == left.left_s()
    now[0] += 40
    assert 60 == left.left_s()


def test_a_machine_that_is_slow_is_slow_to_the_end() -> None:
    """A part that took twice as long as expected says the same of those after it."""
    now = [0.0]
    left = Countdown([60, 30, 10], lambda: now[0])
    left.begin()
    now[0] = 120
    left.end()
    left.begin()
    assert 80 == left.left_s()


def test_a_part_that_takes_longer_ends_any_moment() -> None:
    """Time that is left is never less than nothing."""
    now = [0.0]
    left = Countdown([60, 30], lambda: now[0])
    left.begin()
    now[0] = 90
    assert 30 == left.left_s()


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "0 s"), (38, "40 s"), (59, "1 min 00 s"), (397, "6 min 40 s")]
)
def test_an_estimate_is_told_in_steps_of_ten_seconds(seconds: float, words: str) -> None:
    assert words == spoken(seconds)


# The run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs parts whose programs are given, and has the report."""

    def running(*scripts: str, arguments: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
        parts = []
        for number, script in enumerate(scripts):
            file = tmp_path / f"part{number}.py"
            file.write_text(script, encoding="utf-8")
            parts.append(Part(file.stem, "a part", (str(file),), [RATIO], 1, 1))
        monkeypatch.setattr(bench, "PARTS", parts)
        code = bench.main(["--output", str(tmp_path / "reports"), *arguments])
        [written] = (tmp_path / "reports").glob("bench-*.json")
        return code, json.loads(written.read_text(encoding="utf-8"))

    return running


def program(missing: dict[str, str], **values: list[float]) -> str:
    one = found(RATIO, missing, **values)
    report = {"machine": {}, "results": [], "targets": [one], "not_measured": missing}
    return SCRIPT.format(report=report)


def test_the_targets_of_all_parts_are_in_one_report(run: Any) -> None:
    whole = program({}, opspawn=[4], peer=[1])
    code, report = run(whole, whole)
    assert (0, ["met", "met"]) == (code, [one["verdict"] for one in report["targets"]])
    assert report["complete"]


def test_what_a_part_says_is_passed_on_with_the_time_that_is_left(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader of the terminal knows what runs, and whether to wait for it."""
    run(program({}, opspawn=[4], peer=[1]), arguments=["--rounds", "1"])
    assert "→ 1/1 part0, about 0 s left: round 1" in capsys.readouterr().err


def test_a_part_that_breaks_is_told_and_the_next_one_runs(run: Any) -> None:
    """Its targets stand in the table, with the last that it said; the run ends with 1."""
    code, report = run("raise SystemExit('no server')", program({}, opspawn=[4], peer=[1]))
    assert (1, "no server") == (code, report["targets"][0]["why"])
    assert "met" == report["targets"][1]["verdict"]


def test_a_part_that_breaks_after_its_report_is_not_whole(run: Any) -> None:
    """It writes what it had measured, and its exit code says that this is not all."""
    code, report = run(program({}, opspawn=[4], peer=[1]) + "raise SystemExit('lost')")
    assert (1, {"part0": {"part0": "lost"}}) == (code, report["not_measured"])


def test_an_interrupted_run_is_written_and_says_so(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts whose turn did not come are not measured."""

    def interrupted(_running: bench.Running, _options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "_run", interrupted)
    code, report = run("")
    assert (bench.INTERRUPTED, False) == (code, report["complete"])
    assert {"part0": {"part0": "the run ended before it"}} == report["not_measured"]


def test_every_target_of_reach_is_in_a_part() -> None:
    """A target that no part measures would never be looked at."""
    held = {target.what for part in PARTS for target in part.targets}
    assert {one.what for targets in TARGETS.values() for one in targets} <= held


def test_three_rounds_are_expected_within_a_quarter_of_an_hour() -> None:
    assert 15 * 60 >= sum(part.expected_s(3) for part in PARTS)


def test_each_peer_is_shown_with_its_version() -> None:
    """As it is installed: a figure without it means little."""
    told = configurations(["steps"])
    assert "celery 5." in told["celery"]
    assert "taskiq 0." in told["taskiq"]
    assert "langgraph 1." in told["langgraph"]


def test_a_system_that_another_part_sets_up_otherwise_is_told_for_each() -> None:
    """Dramatiq's actor is a coroutine in one part and a function in the other."""
    told = configurations(["steps", "latency"])
    assert "async actor" in told["dramatiq"]
    assert "sync actor" in told["dramatiq (latency)"]
    assert "opspawn (latency)" not in told


async def own_process(_url: str, _options: argparse.Namespace, results: Results) -> None:
    results.add("process", "opspawn", "", os.getpid())


def test_each_round_of_waiting_agents_has_a_process_of_its_own() -> None:
    """Memory that a round before it has freed would be filled unseen: ten thousand agents took none."""
    [row] = in_a_new_process(own_process, "", argparse.Namespace()).rows()
    assert os.getpid() != row.values[0]
