"""Soak, stage `long`: the tests of tasks that take longer than the broker waits for a consumer."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from benchmarks.report import Report
from benchmarks.soak_stage import Stage
from benchmarks.targets import Target
from benchmarks.windows import Window

ROOT = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests" / "e2e" / "test_long_tasks.py"

OURS: Final = "opspawn"
PASSED, NOT_PASSED = "tests of long tasks that passed", "tests of long tasks that did not"

TARGETS: Final = (
    Target("a task three times as long as the broker waits; kill -9", "≥", 2, (PASSED, OURS), unit="passed"),
    Target(NOT_PASSED, "≤", 0, (NOT_PASSED, OURS), unit=""),
)  # fmt: skip


def measure(report: Report, _window: Window) -> None:
    with tempfile.TemporaryDirectory(prefix="ops-soak-") as folder:
        written = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", str(TESTS), f"--junitxml={written}"]
        subprocess.run(command, cwd=ROOT, check=False, timeout=report.options.seconds)
        passed, others = counts(written.read_text(encoding="utf-8"))
    report.results.add(PASSED, OURS, "tests", passed)
    report.results.add(NOT_PASSED, OURS, "tests", others)


def counts(junit: str) -> tuple[int, int]:
    """How many passed, and how many did not: what was skipped is not passed."""
    cases = list(ElementTree.fromstring(junit).iter("testcase"))  # noqa: S314  # pytest wrote it
    passed = sum(not any(child.tag in _BAD for child in case) for case in cases)
    return passed, len(cases) - passed


_BAD: Final = {"failure", "error", "skipped"}

STAGE: Final = Stage(
    name="long",
    what="a task longer than the broker waits runs once, and goes on once after kill -9",
    full={"seconds": 300},
    quick={"seconds": 300},
    targets=TARGETS,
    measure=measure,
)
