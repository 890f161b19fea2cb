"""The commands for what tasks did and wait for, against the real REST door with the test as the worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.moves import fail, wait
from ops_core.step import Step
from ops_core.task import JsonObject, Reason, Status, Task, TaskError, Wait
from support.command import Command, Start, output
from support.rest_door import RestDoor, rest_door

STEP = "1/tool/1"


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


def hold(door: RestDoor, kind: EventType, reason: Reason, detail: JsonObject) -> Task:
    """The task's worker: it comes to a step that must wait."""
    task = door.claim()
    step = Step(STEP, "tool", "send")
    door.append(task, NewEvent(type=kind, data=step.place | detail, journal=step.entry))
    door.settle(task, wait([Wait(reason=reason, step=STEP, detail=detail)], 0))
    return task


def test_a_question_is_shown_and_answered(start: Start, door: RestDoor) -> None:
    """`run` ends with 3 and shows the command to answer with; that command wakes the task."""
    command = start("run", "goal")
    task = hold(door, EventType.INPUT_REQUESTED, Reason.INPUT, {"question": "Which one?"})
    assert 3 == command.end()
    assert "Which one?" in command.err
    assert f'opspawn tasks answer {task.task_id} "…" --step {STEP}' in command.err
    assert "Which one?" in output(start, "tasks", "show", task.task_id)
    said = output(start, "tasks", "answer", task.task_id, "The blue one.", "--step", STEP)
    assert f"{task.task_id}: answered, pending now.\n" == said
    again = start("tasks", "answer", task.task_id, "The red one.")
    assert 5 == again.end()
    assert 1 == len(again.err.splitlines())


@pytest.mark.parametrize(("verb", "said"), [("approve", "approved"), ("reject", "rejected")])
def test_a_call_is_approved_or_rejected(start: Start, door: RestDoor, verb: str, said: str) -> None:
    """The step is named as the task shows it."""
    output(start, "run", "goal", "--detach")
    detail = {"tool": "send", "arguments": {"to": "ann"}}
    task = hold(door, EventType.APPROVAL_REQUESTED, Reason.APPROVAL, detail)
    told = output(start, "tasks", verb, task.task_id, STEP, "--comment", "Because.")
    assert f"{task.task_id}: {said}, pending now.\n" == told
    steps = output(start, "tasks", "steps", task.task_id)
    assert ["approval", "send", "committed"] == steps.splitlines()[1].split()[1:4]
    shown = json.loads(output(start, "tasks", "steps", task.task_id, "--json"))
    resolution = {"decision": verb, "comment": "Because."}
    assert [resolution] == [step["resolution"] for step in shown["steps"]]


def test_a_call_in_doubt_is_resolved(start: Start, door: RestDoor) -> None:
    """The result is JSON; what is not is told before anything is sent."""
    output(start, "run", "goal", "--detach")
    detail = {"tool": "send", "arguments": {}, "effect": "unsafe", "why": "cut off"}
    task = hold(door, EventType.TOOL_UNKNOWN, Reason.EFFECT_UNKNOWN, detail)
    wrong = start("tasks", "resolve", task.task_id, STEP, "happened", "--result", "sent")
    assert 64 == wrong.end()
    assert "needs its own quotes" in wrong.err
    output(start, "tasks", "resolve", task.task_id, STEP, "happened", "--result", '"sent"')
    [step] = json.loads(output(start, "tasks", "steps", task.task_id, "--json"))["steps"]
    assert ("committed", "sent") == (step["status"], step["output"])


def test_dead_letters_are_listed_retried_and_discarded(start: Start, door: RestDoor) -> None:
    """Until the list is empty."""
    ids = []
    for _ in range(2):
        ids.append(output(start, "run", "goal", "--detach").strip())
        error = TaskError(type="provider_error", message="Down.", retryable=True)
        door.settle(door.claim(), fail(error, dead_letter=True))
    _, *lines = output(start, "dead-letters", "list").splitlines()
    assert [*reversed(ids)] == [line.split()[0] for line in lines]
    assert "retried, pending now" in output(start, "dead-letters", "retry", ids[0])
    assert "discarded, failed now" in output(start, "dead-letters", "discard", ids[1])
    assert [] == json.loads(output(start, "dead-letters", "list", "--json"))["tasks"]
    assert {Status.PENDING, Status.FAILED} == {task.status for task in door.tasks()}


def test_a_task_without_children_has_an_empty_list(start: Start, door: RestDoor) -> None:
    """And no error; the page is that of a list of tasks."""
    task_id = output(start, "run", "goal", "--detach").strip()
    assert 0 == json.loads(output(start, "tasks", "children", task_id, "--json"))["total"]


def test_approvals_of_all_tasks_are_listed_shown_and_decided(start: Start, door: RestDoor) -> None:
    """Whole arguments where they are shown; other ones where they are given; a second word is refused."""
    start("run", "goal")
    detail = {"tool": "pay", "question": "May it?", "arguments": {"eur": 500, "to": "\x1b[2Jeve"}}
    task = hold(door, EventType.APPROVAL_REQUESTED, Reason.APPROVAL, detail)
    page = json.loads(output(start, "approvals", "list", "--status", "pending", "--json"))
    [name] = [each["approval_id"] for each in page["approvals"]]
    assert 'pay({"eur": 500' in output(start, "approvals", "list")
    shown = output(start, "approvals", "show", name)
    assert (True, True, False) == (task.task_id in shown, '"eur": 500' in shown, "\x1b" in shown)
    wrong = start("approvals", "approve", name, "--arguments", "[1]")
    assert 64 == wrong.end()
    said = output(start, "approvals", "approve", name, "--arguments", '{"eur": 4}')
    assert f"{name}: approved.\n" == said
    again = start("approvals", "reject", name, "--comment", "No.")
    assert (5, True) == (again.end(), "approved" in again.err)
    assert "called with" in output(start, "approvals", "show", name)
