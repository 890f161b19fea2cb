"""Tests that cost money run only when somebody asks for them by name."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
