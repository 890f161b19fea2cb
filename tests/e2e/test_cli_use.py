"""The `opspawn` command itself: help, wrong use, wrong settings, what it imports, how it breaks off."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import OPSPAWN, WITHIN_S, Command, Start
from support.server_process import free_port

#: Slow to import, or not the business of a command that only shows its help.
HEAVY = {
    "agentkit",
    "alembic",
    "asyncpg",
    "chromadb",
    "fastapi",
    "grpc",
    "httpx2",
    "openai",
    "ops_core",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    commands = []

    def start(*arguments: str, **environment: str) -> Command:
        command = Command(tmp_path, environment, *arguments)
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.close()


def test_help_imports_nothing_heavy() -> None:
    """It answers at once: the work of a command is imported when it runs."""
    code = (
        "import sys; from opspawn.cli import run; code = run(['--help']);"
        "print('imported:', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WITHIN_S
    )
    *help_lines, imported = done.stdout.splitlines()
    assert set() == HEAVY & set(imported.split())
    assert any("demo" in line for line in help_lines)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["tasks"], ["run", "--help"]], ids=str)
def test_help_is_no_error(start: Start, arguments: list[str]) -> None:
    """Also when somebody types the command alone to see what there is."""
    command = start(*arguments)
    assert 0 == command.end()
    assert "Usage: opspawn" in command.out
    assert "" == command.err


def test_the_exit_codes_are_in_the_help(start: Start) -> None:
    """Where whoever writes a script looks for them."""
    command = start("run", "--help")
    command.end()
    words = " ".join(command.out.split())
    assert "Exit code: 0 completed, 1 failed, 2 cancelled, 3 waiting" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'"),
        (["run"], "Missing argument 'GOAL'"),
        (["run", "x", "--speed"], "No such option: --speed"),
        (["tasks", "list", "--limit", "0"], "'--limit'"),
        (["run", "  "], "The goal is empty"),
        (["run", "x", "--deadline", "soon"], "'--deadline'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_use_is_one_line(start: Start, arguments: list[str], words: str) -> None:
    """Exit code 64, and where help is."""
    command = start(*arguments)
    assert 64 == command.end()
    assert 1 == len(command.err.splitlines())
    assert words in command.err


def test_a_wrong_setting_is_one_line_for_each_key(start: Start) -> None:
    """Exit code 64; the value is not repeated."""
    command = start("up", OPSPAWN_WORKER_SLOTS="many", DATABASE_URL="mysql://u:hunter2@h/x")
    assert 64 == command.end()
    assert 2 == len(command.err.splitlines())
    assert "OPSPAWN_WORKER_SLOTS" in command.err
    assert "DATABASE_URL" in command.err
    assert "hunter2" not in command.err


def test_debug_shows_where_an_error_came_from(start: Start) -> None:
    """The line stays the last one."""
    url = f"http://127.0.0.1:{free_port()}"
    for arguments, environment in (
        (["--debug", "tasks", "list", "--url", url], {}),
        (["tasks", "list", "--url", url], {"OPSPAWN_LOG_LEVEL": "debug"}),
    ):
        command = start(*arguments, **environment)
        assert 4 == command.end()
        assert "Traceback" in command.err
        assert command.err.splitlines()[-1].startswith("opspawn: No Opspawn answers")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`opspawn … | head` ends quietly."""
    with subprocess.Popen(
        [OPSPAWN, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert b"" == command.stderr.read()
        assert 1 == command.wait(WITHIN_S)


def test_a_terminal_that_cannot_show_a_sign_ends_no_command(start: Start) -> None:
    """In ASCII a ✓ becomes a question mark."""
    command = start("doctor", PYTHONIOENCODING="ascii")
    assert command.end() in {0, 1}
    assert "? python" in command.out


def test_the_version_is_that_of_the_package(start: Start) -> None:
    """As it is installed."""
    command = start("version")
    assert 0 == command.end()
    assert command.out.startswith("opspawn ")
