"""`opspawn up`: everything in one process, on a data folder that outlives it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes
from support.server_process import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().running() as model:
        yield model


@pytest.fixture
def home(tmp_path: Path, model: ModelServer) -> Iterator[Processes]:
    # The embedded server's own user must reach the data folder when the tests run as root.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    environment = {
        "OPSPAWN_API_PORT": str(free_port()),
        "OPSPAWN_GRPC_PORT": str(free_port()),
        **model.environment,
    }
    with processes(tmp_path, environment) as started:
        yield started


@pytest.fixture
def rest(home: Processes) -> Iterator[Rest]:
    rest = Rest(int(home.environment["OPSPAWN_API_PORT"]))
    yield rest
    rest.close()


def test_tasks_survive_kill_9_and_are_not_paid_for_again(
    home: Processes, rest: Rest, model: ModelServer
) -> None:
    """`kill -9` in the second model call; the next start finishes the task from its log."""
    model.hold(2)
    first = home.start("up")
    rest.ready(first)
    done = rest.submit()
    model.wait_for(2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    model.release(2)
    again = home.start("up")
    rest.ready(again)
    ended = rest.ended(done)
    assert ("completed", "It is 391.", 1) == (
        ended["status"],
        ended["result"]["output"],
        ended["attempt"],
    )
    assert 1 == model.calls.count(1)


def test_a_second_up_on_the_same_folder_is_refused(home: Processes, rest: Rest) -> None:
    """Two servers on one data folder would each believe that they own it."""
    rest.ready(home.start("up"))
    other = {"OPSPAWN_API_PORT": str(free_port()), "OPSPAWN_GRPC_PORT": str(free_port())}
    second = home.run("up", **other)
    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert 1 == len(second.stderr.strip().splitlines())


def test_up_stops_cleanly_on_sigterm(home: Processes, rest: Rest) -> None:
    """SIGTERM ends everything, PostgreSQL included, with exit code 0."""
    up = home.start("up")
    rest.ready(up)
    up.terminate()
    assert 0 == up.wait(30)
    assert not (home.folder / ".opspawn" / "postgres" / "postmaster.pid").exists()
