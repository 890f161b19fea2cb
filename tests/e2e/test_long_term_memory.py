"""Agents that remember, everything embedded: what docs/how-to/let-agents-remember.md shows."""

import signal

import httpx2
import pytest

from support.command import Command, Start
from support.model_server import ModelServer

pytestmark = pytest.mark.e2e


def up(start: Start) -> Command:
    """A started server that answers."""
    command = start("up", "--no-auth")
    command.wait_for("Opspawn is up.")
    command.wait_for("Try it:")
    return command


def ran(start: Start, environment: dict[str, str], goal: str) -> str:
    """What came of a task that has the memory's tools."""
    tools = {"tools": ["memory_search", "memory_save"]}
    body = {"task_type": "agent_run", "input_data": {"goal": goal, "agent_config": tools}}
    url = f"http://127.0.0.1:{environment['OPSPAWN_API_PORT']}/api/v1/tasks/"
    following = start("tasks", "follow", httpx2.post(url, json=body).json()["task_id"])
    assert 0 == following.end()
    return following.out


def test_what_is_saved_outlives_the_server(
    start: Start, environment: dict[str, str], model: ModelServer
) -> None:
    """A killed server leaves no lock behind; the doctor says where the memory is and whether it is open."""
    environment |= {"AGENTKIT_LTM_PROVIDER": "chroma", "AGENTKIT_LTM_EMBEDDER": "minilm"}
    model.wants["Note it."] = ("memory_save", {"text": "Ada would rather have tea."})
    model.wants["Find it."] = ("memory_search", {"query": "Which hot drink does she prefer?"})
    first = up(start)
    assert "Saved with id" in ran(start, environment, "Note it.")
    doctor = start("doctor")
    doctor.wait_for("open in a running process")
    first.signal(signal.SIGKILL)
    first.end()
    up(start)
    assert "Ada would rather have tea." in ran(start, environment, "Find it.")
