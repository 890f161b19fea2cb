"""Tasks that kill `opspawn up`, and tasks that were only there when it died: what becomes of both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.agent_tools import AgentTools
from support.command import Command, Start
from support.model_server import ModelServer
from support.opspawn_processes import Rest, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


class Home:
    """One data folder, on which a test starts `opspawn up` again and again, as a supervisor does."""

    def __init__(self, start: Start, port: int, tools: AgentTools) -> None:
        self._start = start
        self.rest = Rest(port)
        self.tools = tools
        self.starts = 0

    def up(self) -> Command:
        self.starts += 1
        # The time-to-live is so long that a test which needs it fails.
        changes = {"OPSPAWN_HEARTBEAT_TTL_S": "120", "OPSPAWN_DRAIN_GRACE_S": "1"}
        up = self._start("up", "--no-auth", **self.tools.environment, **changes)
        self.rest.ready(up.process)
        return up

    def submit(self, tool: str) -> dict[str, Any]:
        """A task that calls the tool and answers with what it said."""
        return self.rest.submit(input_data={"goal": tool, "agent_config": {"tools": [tool]}})

    def suspect(self) -> tuple[dict[str, Any], Command, psutil.Process]:
        """A task that two `up` died under, without its doing, and that now runs beside the third."""
        self.tools.hold()
        up = self.up()
        task = self.submit("look")
        for calls in (1, 2):
            until(lambda calls=calls: self.tools.calls("look") == calls)  # type: ignore[misc]
            up.process.kill()
            up.process.wait()
            up = self.up()
        until(lambda: self.tools.calls("look") == 3)
        return task, up, solitary(up)


def solitary(up: Command) -> psutil.Process:
    """The process in which this `up` runs suspects."""
    [found] = [
        child for child in psutil.Process(up.process.pid).children() if "--alone" in child.cmdline()
    ]
    return found


@pytest.fixture
def home(
    start: Start, environment: dict[str, str], tmp_path: Path, model: ModelServer
) -> Iterator[Home]:
    tools = AgentTools(tmp_path)
    model.wants |= {name: (name, {}) for name in ("look", "die")}
    home = Home(start, int(environment["OPSPAWN_API_PORT"]), tools)
    yield home
    tools.let_go()
    home.rest.close()


def test_a_poison_takes_up_along_twice_and_then_nobody(home: Home) -> None:
    """After that it dies in a process of its own, fails as poison, and `up` lives on and serves others."""
    up = home.up()
    poison = home.submit("die")
    for _ in range(2):
        up.process.wait(40)
        up = home.up()
    failed = home.rest.ended(poison)
    assert ("failed", "poison") == (failed["status"], failed["reason"])
    assert 4 == home.tools.calls("die")
    assert "completed" == home.rest.ended(home.submit("look"))["status"]
    assert up.process.poll() is None


def test_a_suspect_outlives_the_worker_that_isolated_it(home: Home) -> None:
    """`kill -9` of `up` leaves the solitary process alone: it finishes its task, which is called no more."""
    task, up, alone = home.suspect()
    up.process.kill()
    up.process.wait()
    home.up()
    home.tools.let_go()
    assert "completed" == home.rest.ended(task)["status"]
    assert 3 == home.tools.calls("look")
    until(lambda: not alone.is_running() or alone.status() == psutil.STATUS_ZOMBIE)


def test_the_death_of_a_whole_container_convicts_no_innocent(home: Home) -> None:
    """`up` and the solitary process die together: that says nothing against the task that ran alone."""
    task, up, alone = home.suspect()
    alone.kill()
    up.process.kill()
    up.process.wait()
    home.up()
    until(lambda: home.tools.calls("look") == 4)
    home.tools.let_go()
    assert "completed" == home.rest.ended(task)["status"]


def test_up_takes_its_solitary_process_along_when_it_stops(home: Home) -> None:
    """However often: a drain hands the suspect over, leaves no process behind and convicts nobody."""
    task, up, alone = home.suspect()
    for calls in (4, 5):
        up.process.terminate()
        assert 0 == up.process.wait(40)
        assert not alone.is_running()
        up = home.up()
        until(lambda calls=calls: home.tools.calls("look") == calls)  # type: ignore[misc]
        alone = solitary(up)
    home.tools.let_go()
    assert "completed" == home.rest.ended(task)["status"]
