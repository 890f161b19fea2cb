"""`opspawn up` as a user starts it and as a machine kills it: everything embedded, a model over HTTP."""

import json
import signal
from pathlib import Path

import pytest

from support.command import Command, Start, output
from support.embedded_folder import postmaster_of
from support.model_server import ModelServer
from support.server_process import free_port


def up(start: Start) -> Command:
    """A started server that answers."""
    command = start("up")
    command.wait_for("Opspawn is up.")
    command.wait_for("Try it:")
    return command


def test_up_says_where_it_is_and_runs_goals(start: Start, environment: dict[str, str]) -> None:
    """Both doors, the provider and the model; a goal runs through a real agent to its answer."""
    server = up(start)
    assert f"http://127.0.0.1:{environment['OPSPAWN_API_PORT']}" in server.err
    assert f"127.0.0.1:{environment['OPSPAWN_GRPC_PORT']}" in server.err
    assert "openai: gpt-5.4-mini" in server.err
    assert "It is 391.\n" == output(start, "run", "What is 17 * 23?")


def test_a_second_signal_stops_at_once(start: Start, data_dir: Path, model: ModelServer) -> None:
    """A step under way is not waited for; the database is still stopped cleanly."""
    model.hold(1)
    server = up(start)
    output(start, "run", "goal", "--detach")
    model.wait_for(1)
    server.signal(signal.SIGINT)
    server.wait_for("Stopping: finishing what is under way")
    server.signal(signal.SIGINT)
    assert 130 == server.end()
    assert "Stopping at once." in server.err
    assert postmaster_of(data_dir / "postgres") is None


def test_tasks_survive_a_restart(start: Start) -> None:
    """What was stored before is listed after."""
    server = up(start)
    output(start, "run", "goal", "--name", "kept")
    server.signal(signal.SIGINT)
    assert 0 == server.end()
    up(start)
    page = json.loads(output(start, "tasks", "list", "--json"))
    assert [("kept", "completed")] == [(task["name"], task["status"]) for task in page["tasks"]]


def test_an_unreachable_database_is_told_without_its_password(start: Start) -> None:
    """One line naming the place and the setting."""
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"
    server = start("up", DATABASE_URL=url)
    assert 69 == server.end()
    assert 1 == len(server.err.splitlines())
    assert "correct DATABASE_URL" in server.err
    assert "hunter2" not in server.err


def test_a_wrong_setting_is_one_line_that_names_it(start: Start) -> None:
    """Exit code 64; nothing was started."""
    server = start("up", OPSPAWN_WORKER_SLOTS="many")
    assert 64 == server.end()
    assert 1 == len(server.err.splitlines())
    assert "OPSPAWN_WORKER_SLOTS" in server.err


@pytest.mark.parametrize("role", ["api", "grpc", "worker", "dispatcher"])
def test_a_process_of_several_needs_the_servers_they_share(start: Start, role: str) -> None:
    """Without DATABASE_URL and RABBITMQ_URL it names them, and the way without them."""
    process = start(role)
    assert 64 == process.end()
    assert "needs DATABASE_URL and RABBITMQ_URL" in process.err
    assert "opspawn up" in process.err
