"""`opspawn tasks fork`, against the real REST door with the test as the worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.step import Step
from support.command import Command
from support.rest_door import RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


def run(tmp_path: Path, door: RestDoor, *arguments: str) -> Command:
    command = Command(tmp_path, {"OPSPAWN_URL": door.url}, *arguments)
    try:
        command.end()
        return command
    finally:
        command.close()


def test_a_fork_prints_the_id_of_the_new_task(tmp_path: Path, door: RestDoor) -> None:
    """With what it was told to do differently."""
    first = run(tmp_path, door, "run", "add", "--detach").out.strip()
    entry = Step("1/tool/1", "tool", "stock", {}, "pure").entry | {"value": "42"}
    told = {"path": "1/tool/1", "tool": "stock", "output": "42"}
    event = NewEvent(type=EventType.TOOL_COMPLETED, data=told, journal=entry)
    door.append(door.claim(), event)
    options = ["--goal", "multiply", "--model", "m", "--set-result", '1/tool/1={"left": 0}']
    forked = run(tmp_path, door, "tasks", "fork", first, "--after-seq", "3", *options)
    task = json.loads(run(tmp_path, door, "tasks", "show", forked.out.strip(), "--json").out)
    assert first != task["task_id"]
    assert {"goal": "multiply", "agent_config": {"llm_model": "m"}} == task["input_data"]
    log = run(tmp_path, door, "tasks", "fork", first, "--after-seq", "9")
    assert 5 == log.end()
    assert "1 to 3" in log.err


def test_a_result_that_is_not_json_is_refused_before_anything_is_asked(
    tmp_path: Path, door: RestDoor
) -> None:
    """With how a text is written."""
    asked = run(tmp_path, door, "tasks", "fork", "t", "--after-seq", "1", "--set-result", "1=x")
    assert 64 == asked.end()
    assert "PATH=JSON" in asked.err
