"""A real agent that waits for people, everything embedded: what docs/how-to/wait-for-people.md shows."""

import json

import httpx2

from support.command import Command, Start, output
from support.model_server import ModelServer


def up(start: Start) -> Command:
    """A started server that answers."""
    command = start("up", "--no-auth")
    command.wait_for("Opspawn is up.")
    command.wait_for("Try it:")
    return command


def submit(environment: dict[str, str], **config: object) -> str:
    """A goal for an agent with tools of its own."""
    body = {"task_type": "agent_run", "input_data": {"goal": "Choose.", "agent_config": config}}
    answer = httpx2.post(
        f"http://127.0.0.1:{environment['OPSPAWN_API_PORT']}/api/v1/tasks/", json=body
    )
    assert 201 == answer.status_code, answer.text
    return str(answer.json()["task_id"])


def test_an_agent_asks_and_goes_on_with_the_answer(
    start: Start, environment: dict[str, str], model: ModelServer
) -> None:
    """The question is shown with its command, and each model call is made once."""
    model.wants["Choose."] = ("ask_user", {"question": "Which one?"})
    up(start)
    task_id = submit(environment, tools=["ask_user"])
    following = start("tasks", "follow", task_id)
    following.wait_for("opspawn tasks answer")
    output(start, "tasks", "answer", task_id, "The blue one.")
    assert 0 == following.end()
    assert "It is The blue one..\n" == following.out
    assert [1, 2] == model.calls
    steps = json.loads(output(start, "tasks", "steps", task_id, "--json"))["steps"]
    assert ["llm", "input", "tool", "llm"] == [step["kind"] for step in steps]
    assert {"committed"} == {step["status"] for step in steps}


def test_a_call_is_made_once_it_is_approved(
    start: Start, environment: dict[str, str], model: ModelServer
) -> None:
    """Rejected it is not, and the model reads why."""
    up(start)
    answers = {}
    for verb in ("approve", "reject"):
        task_id = submit(environment, tools=["calculator"], approve=["calculator"])
        following = start("tasks", "follow", task_id)
        following.wait_for("opspawn tasks approve")
        [wait] = json.loads(output(start, "tasks", "show", task_id, "--json"))["waiting_for"]
        output(start, "tasks", verb, task_id, wait["step"], "--comment", "Not today.")
        assert 0 == following.end()
        answers[verb] = following.out
    assert "It is 391.\n" == answers["approve"]
    assert "Not today." in answers["reject"]
