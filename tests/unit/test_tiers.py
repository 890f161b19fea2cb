"""Which tier a test is of."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.tiers import tier_of

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
