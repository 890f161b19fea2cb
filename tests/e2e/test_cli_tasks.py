"""`opspawn tasks list|show|cancel`, against the real REST door with the test as the worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.moves import complete, fail
from ops_core.task import Status, TaskError, Usage
from support.command import Command, Start, output
from support.rest_door import RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


@pytest.fixture
def start(tmp_path: Path, door: RestDoor) -> Iterator[Start]:
    commands = []

    def start(*arguments: str) -> Command:
        command = Command(tmp_path, {"OPSPAWN_URL": door.url}, *arguments)
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.close()


def submit(start: Start, goal: str) -> str:
    return output(start, "run", goal, "--detach").strip()


def test_the_list_shows_the_newest_first_on_one_line_each(start: Start, door: RestDoor) -> None:
    """Whole ids even in a pipe, the state, what was used, and the goal."""
    first = submit(start, "first\ngoal")
    door.append(door.claim(), usage=Usage(input_tokens=1200, output_tokens=5, steps=1))
    second = submit(start, "second goal")
    title, *lines = output(start, "tasks", "list").splitlines()
    assert "TASK" == title.split()[0]
    assert [second, first] == [line.split()[0] for line in lines]
    assert ["pending", "running"] == [line.split()[1] for line in lines]
    assert "1,200 + 5" in lines[1]
    assert lines[1].rstrip().endswith("first goal")


def test_the_list_can_be_narrowed(start: Start, door: RestDoor) -> None:
    """By state and by number; it says how many there are."""
    submit(start, "one")
    door.settle(door.claim(), complete({"output": ""}))
    submit(start, "two")
    submit(start, "three")
    page = json.loads(output(start, "tasks", "list", "--status", "completed", "--json"))
    assert ["one"] == [task["input_data"]["goal"] for task in page["tasks"]]
    assert "1 of 3 tasks" in output(start, "tasks", "list", "--limit", "1")


def test_an_unknown_state_is_wrong_use(start: Start) -> None:
    """Told with the states there are, exit code 64."""
    command = start("tasks", "list", "--status", "sleeping")
    assert 64 == command.end()
    assert "'waiting'" in command.err


def test_show_tells_everything_about_a_task(start: Start, door: RestDoor) -> None:
    """State, goal, attempts, cost and the whole answer."""
    task_id = submit(start, "the goal")
    answer = "\n".join(f"line {number}" for number in range(50))
    door.settle(door.claim(), complete({"output": answer}))
    shown = output(start, "tasks", "show", task_id)
    for words in (task_id, "completed", "the goal", "1 (generation 1)", "line 0", "line 49"):
        assert words in shown


def test_show_tells_why_a_task_failed(start: Start, door: RestDoor) -> None:
    """The type and the whole message of its error: what to do next is at its end."""
    task_id = submit(start, "goal")
    message = "It was said in this way. " * 30 + "Ask in another way."
    door.settle(door.claim(), fail(TaskError(type="refused", message=message)))
    shown = " ".join(output(start, "tasks", "show", task_id).split())
    assert "refused: It was said" in shown
    assert "Ask in another way." in shown


def test_an_unknown_task_is_one_line(start: Start) -> None:
    """Exit code 5, also for an id that looks like a path."""
    for task_id in ("task_none", "../../health"):
        command = start("tasks", "show", task_id)
        assert 5 == command.end()
        assert 1 == len(command.err.splitlines())
        assert "There is no" in command.err


def test_cancel_ends_a_task_that_nobody_runs(start: Start, door: RestDoor) -> None:
    """At once."""
    task_id = submit(start, "goal")
    assert f"{task_id}: cancelled.\n" == output(start, "tasks", "cancel", task_id)
    assert [Status.CANCELLED] == [task.status for task in door.tasks()]


def test_cancel_asks_the_worker_of_a_running_task(start: Start, door: RestDoor) -> None:
    """And does not claim that it has stopped."""
    task_id = submit(start, "goal")
    door.claim()
    said = output(start, "tasks", "cancel", task_id)
    assert f"{task_id}: running; its worker was asked to stop.\n" == said
    assert door.tasks()[0].cancel_requested


def test_cancelling_a_finished_task_is_refused(start: Start, door: RestDoor) -> None:
    """With its state, exit code 5."""
    task_id = submit(start, "goal")
    door.settle(door.claim(), complete({"output": ""}))
    command = start("tasks", "cancel", task_id)
    assert 5 == command.end()
    assert "already completed" in command.err
