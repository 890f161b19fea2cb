"""The design itself, searched exhaustively by Spin; and its table of moves against the code's."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import log_trace
import pytest
from results import FULL

from ops_core.log import EventType
from ops_core.task import Status
from support.local_servers import provide
from support.server_process import ServerUnavailable
from support.servers import Say

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

MODEL = Path(__file__).parent / "model" / "claim.pml"

#: Four make the search some seventy seconds long, and want 3 GB.
UPSETS = 4 if FULL else 3

#: The rules that can be left out of the model.
SWITCHES = sorted(re.findall(r"^#ifndef (\w+)\n#define \w+ 1 ", MODEL.read_text(), re.MULTILINE))

#: What has a task's name and moves it nowhere.
STAYS = {"task.cancel_requested"}


def test_the_model_has_the_moves_of_the_code() -> None:
    """`python tests/crash/log_trace.py` writes the file again."""
    assert log_trace.promela() == log_trace.MOVES_PML.read_text()


def test_every_event_of_a_task_is_a_known_move() -> None:
    """A new type of event must be given its place in the table that logs are checked against."""
    names = {str(event) for event in EventType if event.startswith("task.")}
    assert set() == names - set(log_trace.LEADS_TO) - STAYS
    assert set(Status) == set(log_trace.LEADS_TO.values())


@pytest.fixture(scope="module")
def spin(say_server: Say, tmp_path_factory: pytest.TempPathFactory) -> "Spin":
    try:
        provide(_find("spin"), "spin", say_server)
        provide(_find("cc"), "gcc", say_server)
    except ServerUnavailable as error:
        pytest.fail(str(error), pytrace=False)
    return Spin(tmp_path_factory.mktemp("spin"))


def test_nothing_is_forgotten_and_nobody_writes_who_may_not(spin: "Spin") -> None:
    """Every order of events is tried, and no assertion fails in any."""
    report = spin.search(f"-DUPSETS={UPSETS}")
    assert "errors: 0" in report, report
    assert "Search not completed" not in report, report
    assert "max search depth too small" not in report, report


def test_every_order_of_events_comes_to_an_end(spin: "Spin") -> None:
    """There is no cycle, so the moment at which the model asserts progress is always reached."""
    report = spin.search("-DUPSETS=2", compile_with="-DNP", run_with=("-l",))
    assert "errors: 0" in report, report
    assert "non-progress cycles" in report, report


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_rule_is_needed(spin: "Spin", switch: str) -> None:
    """Without it the search finds an order of events in which an assertion fails."""
    report = spin.search(f"-DUPSETS={UPSETS}", f"-D{switch}=0")
    assert "errors: 1" in report, report
    assert "assertion violated" in report, report


class Spin:
    """Makes a verifier from the model and lets it search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def search(
        self, *switches: str, compile_with: str = "-DSAFETY", run_with: tuple[str, ...] = ()
    ) -> str:
        self._run("spin", "-a", *switches, str(MODEL))
        self._run("cc", "-O1", "-w", compile_with, "-o", "pan", "pan.c")
        return self._run("./pan", "-n", "-m10000", "-w24", *run_with)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self._folder, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _find(program: str) -> Callable[[], None]:
    def find() -> None:
        if shutil.which(program) is None:
            raise ServerUnavailable(
                f"the model of tests/crash needs {program}: apt-get install spin gcc"
            )

    return find
