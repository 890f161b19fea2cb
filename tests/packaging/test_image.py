"""The Dockerfile, read rather than built (an engine is not everywhere), and the health checks in it, run."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its arguments on one line."""
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, arguments) for name, arguments in lines]


def test_it_is_built_in_two_stages_from_pinned_images(instructions: list[tuple[str, str]]) -> None:
    bases = [arguments.split()[0] for name, arguments in instructions if name == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)


def test_it_does_not_run_as_root(instructions: list[tuple[str, str]]) -> None:
    last_stage = instructions[[name for name, _ in instructions].index("FROM", 1) :]
    users = [arguments for name, arguments in last_stage if name == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}


def test_everything_is_installed_from_the_lock(instructions: list[tuple[str, str]]) -> None:
    installs = [a for name, a in instructions if name == "RUN" and "pip install" in a]
    assert len(installs) == 2
    assert all("-c requirements.lock" in run or "--require-hashes" in run for run in installs)


def test_what_it_copies_exists_and_is_not_ignored(instructions: list[tuple[str, str]]) -> None:
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for name, arguments in instructions
        if name == "COPY" and "--from" not in arguments
        for source in shlex.split(arguments)[:-1]
    }
    assert copied
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    assert {source.split("/")[0] for source in copied} == kept


def test_no_secret_can_get_into_it(instructions: list[tuple[str, str]]) -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    assert rules[rules.index("*") :]
    assert "**/.env*" in rules
    given = [a for name, a in instructions if name in {"ENV", "ARG"}]
    assert not [a for a in given if re.search(r"KEY|PASS|TOKEN|SECRET", a, re.I)]
