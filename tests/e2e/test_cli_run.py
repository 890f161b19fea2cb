"""`opspawn run` and `opspawn tasks follow`, against the real REST door with the test as the worker."""

import http.server
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, cancel, complete, fail
from ops_core.task import Reason, Status, TaskError, Usage
from support.command import Command, Start
from support.rest_door import RestDoor, rest_door
from support.server_process import free_port

ANSWER = complete({"output": "391", "structured": None, "artifacts": []})


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


@pytest.fixture
def start(tmp_path: Path, door: RestDoor) -> Iterator[Start]:
    """Starts `opspawn …` against the door."""
    commands = []

    def start(*arguments: str, **environment: str) -> Command:
        command = Command(tmp_path, {"OPSPAWN_URL": door.url, **environment}, *arguments)
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.close()


def thought(text: str) -> NewEvent:
    usage = {"input_tokens": 100, "output_tokens": 10}
    data = {"step": 1, "model": "small", "text": text, "tool_calls": [], "usage": usage}
    return NewEvent(type=EventType.LLM_COMPLETED, data={**data, "cost_usd": None})


def test_the_answer_is_the_output_and_the_run_is_shown_beside_it(
    start: Start, door: RestDoor
) -> None:
    """Standard output holds the answer alone; standard error the run, while it goes on."""
    command = start("run", "What is 17 * 23?")
    task = door.claim()
    door.append(task, thought("I shall multiply."), usage=Usage(input_tokens=100, steps=1))
    command.wait_for("I shall multiply.")
    door.settle(task, ANSWER)
    assert 0 == command.end()
    assert "391\n" == command.out
    assert "completed · 1 step · 100 + 0 tokens" in command.err


@pytest.mark.parametrize(
    ("code", "move"),
    [
        (0, ANSWER),
        (1, fail(TaskError(type="refused", message="The model declined."))),
        (2, cancel()),
        (
            3,
            Move(
                to=Status.WAITING,
                reason=Reason.INPUT,
                event=NewEvent(type=EventType.TASK_WAITING),
            ),
        ),
    ],
    ids=["completed", "failed", "cancelled", "waiting"],
)
def test_the_exit_code_is_the_outcome(start: Start, door: RestDoor, code: int, move: Move) -> None:
    """0 completed, 1 failed, 2 cancelled, 3 waiting."""
    command = start("run", "goal")
    door.settle(door.claim(), move)
    assert code == command.end()


def test_a_failed_task_tells_its_error(start: Start, door: RestDoor) -> None:
    """Its type and its message."""
    command = start("run", "goal")
    door.settle(door.claim(), fail(TaskError(type="refused", message="Ask in another way.")))
    command.end()
    assert "refused: Ask in another way." in command.err


def test_json_is_the_final_task(start: Start, door: RestDoor) -> None:
    """Nothing else is on standard output."""
    command = start("run", "goal", "--json")
    door.settle(door.claim(), ANSWER)
    command.end()
    printed = json.loads(command.out)
    assert ("completed", "391") == (printed["status"], printed["result"]["output"])


def test_detach_prints_the_id_and_leaves(start: Start, door: RestDoor) -> None:
    """The task is stored; nobody waits for it."""
    command = start("run", "goal", "--detach")
    assert 0 == command.end()
    assert [command.out.strip()] == [task.task_id for task in door.tasks()]


def test_options_become_the_request(start: Start, door: RestDoor) -> None:
    """Provider, model, name and deadline reach the server; the rest is left to it."""
    options = ["--provider", "openai", "--model", "m", "--name", "n", "--deadline", "60"]
    start("run", "the goal", "--detach", *options).end()
    [task] = door.tasks()
    config = {"llm_provider": "openai", "llm_model": "m"}
    assert {"goal": "the goal", "agent_config": config} == task.input_data
    assert "n" == task.name
    assert task.deadline_at is not None


def test_a_refusal_is_one_line_that_names_the_field(start: Start) -> None:
    """What the server finds wrong, exit code 5."""
    command = start("run", "goal", "--provider", "skynet")
    assert 5 == command.end()
    assert 1 == len(command.err.splitlines())
    assert "input_data.agent_config.llm_provider" in command.err


def test_no_server_is_one_line_with_the_remedy(start: Start) -> None:
    """Exit code 4."""
    command = start("run", "goal", "--url", f"http://127.0.0.1:{free_port()}")
    assert 4 == command.end()
    assert 1 == len(command.err.splitlines())
    assert "`opspawn up`" in command.err


def test_another_program_on_that_port_is_told_apart(start: Start) -> None:
    """A web server that is not Opspawn: exit code 5, one line."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Silent) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        command = start("run", "goal", "--url", f"http://127.0.0.1:{stranger.server_port}")
        assert 5 == command.end()
        stranger.shutdown()
    assert "not as Opspawn; set OPSPAWN_URL" in command.err


class _Silent(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing: the test's output is the test's."""


def test_a_server_that_goes_away_is_waited_for(start: Start, door: RestDoor) -> None:
    """Visibly; when it is back the run goes on, and no event is lost or shown twice."""
    command = start("run", "goal")
    task = door.claim()
    door.append(task, thought("before"))
    command.wait_for("before")
    door.close()
    command.wait_for("Trying again")
    door.append(task, thought("meanwhile"))
    door.open()
    command.wait_for("The server answers again.")
    door.settle(task, ANSWER)
    assert 0 == command.end()
    assert (1, 1) == (command.err.count("before"), command.err.count("meanwhile"))


def test_a_lost_reply_does_not_submit_twice(start: Start, door: RestDoor) -> None:
    """The submission is repeated with its key, so there is one task."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = threading.Thread(target=_lose_one_reply, args=(listener, door.port), daemon=True)
        proxy.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = start("run", "goal", "--detach", "--url", url)
        assert 0 == command.end()
    assert [command.out.strip()] == [task.task_id for task in door.tasks()]


def _lose_one_reply(listener: socket.socket, port: int) -> None:
    """Hands two connections on to a server; of the first one the reply is thrown away."""
    for number in range(2):
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(_message(client))
            reply = _message(server)
            if number == 1:
                client.sendall(reply)


def _message(sender: socket.socket) -> bytes:
    """One HTTP message whose body is a JSON object."""
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        received += sender.recv(65536)
    return received


def test_ctrl_c_leaves_the_task_alone_and_says_how_to_go_on(start: Start, door: RestDoor) -> None:
    """Exit code 130; the task still runs."""
    command = start("run", "goal")
    task = door.claim()
    door.append(task, thought("thinking"))
    command.wait_for("thinking")
    command.signal(signal.SIGINT)
    assert 130 == command.end()
    assert f"opspawn tasks follow {task.task_id}" in command.err
    assert [Status.RUNNING] == [task.status for task in door.tasks()]


def test_what_a_model_writes_cannot_drive_the_terminal(start: Start, door: RestDoor) -> None:
    """Neither in the view nor in the answer."""
    command = start("run", "goal")
    task = door.claim()
    door.append(task, thought("\x1b[2Jhidden\x9b1m"))
    door.settle(task, complete({"output": "\x1b]0;title\x07done\u202e"}))
    assert 0 == command.end()
    assert "done\n" == command.out
    assert "hidden" in command.err
    assert not set("\x1b\x9b\x07") & set(command.err)


def test_follow_shows_a_run_from_its_beginning(start: Start, door: RestDoor) -> None:
    """Also one that has ended; the exit code is its outcome."""
    start("run", "goal", "--detach").end()
    task = door.claim()
    door.append(task, thought("long ago"))
    door.settle(task, fail(TaskError(type="refused", message="No.")))
    command = start("tasks", "follow", task.task_id)
    assert 1 == command.end()
    assert "long ago" in command.err


def test_follow_as_json_prints_one_event_a_line(start: Start, door: RestDoor) -> None:
    """Every event, in order, as the server sent it."""
    start("run", "goal", "--detach").end()
    task = door.claim()
    door.settle(task, ANSWER)
    command = start("tasks", "follow", task.task_id, "--json")
    assert 0 == command.end()
    events = [json.loads(line) for line in command.out.splitlines()]
    assert [1, 2, 3] == [event["seq"] for event in events]
    assert "task.completed" == events[-1]["type"]
