"""Which tier a test is of, and which run of tox it is in."""

import configparser
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from _pytest.mark.expression import Expression

from support.tiers import TIERS, tier_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "fixtures", "tier"),
    [
        ("ops-core/tests/unit/test_a.py", [], "unit"),
        ("ops-core/tests/conformance/test_a.py", ["postgres_server"], "conformance"),
        ("tests/e2e/slow/test_a.py", ["rabbitmq_url"], "e2e"),
        ("tests/packaging/test_a.py", ["postgres_server"], "packaging"),
        ("agentkit/tests/test_a.py", ["tmp_path"], "unit"),
        ("agentkit/tests/test_a.py", ["tmp_path", "postgres_server"], "integration"),
        ("agentkit/tests/test_a.py", ["own_rabbitmq"], "integration"),
    ],
)
def test_the_folder_decides_and_else_the_servers(path: str, fixtures: list[str], tier: str) -> None:
    assert tier == tier_of(SimpleNamespace(path=Path(path), fixturenames=fixtures))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "collected"),
    [
        ([], False),
        (["-m", "not packaging"], False),
        (["-m", "unit"], False),
        (["-m", "live"], True),
    ],
)
def test_live_tests_are_left_out_unless_named(asked: list[str], collected: bool) -> None:
    """Neither a bare run nor the exclusion of something else brings them in."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "agentkit/tests/live",
        *asked,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert collected == ("test_text_and_stream" in done.stdout)
    assert (0 if collected else pytest.ExitCode.NO_TESTS_COLLECTED) == done.returncode


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier != "live"])
def test_each_test_is_in_one_run_of_the_full_check(tier: str, alone: bool) -> None:
    """The runs of Python 3.11 and of the packaging leave nothing out and do nothing twice."""
    marks = {tier, "alone"} if alone else {tier}

    def is_set(name: str, /, **_: str | int | bool | None) -> bool:
        return name in marks

    runs = [Expression.compile(run) for run in _runs("testenv:py31{1,2,3}", "py311: ")]
    runs += [Expression.compile(run) for run in _runs("testenv:packaging", "")]
    assert 1 == sum(run.evaluate(is_set) for run in runs)


def _runs(section: str, which: str) -> list[str]:
    """What each `pytest -m` of an environment of tox asks for."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    return re.findall(
        rf'^{which}pytest -m "?([^"]+?)"? [-{{]', tox[section]["commands"], re.MULTILINE
    )
