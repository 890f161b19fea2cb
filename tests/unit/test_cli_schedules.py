"""The commands for schedules, in process, against the real REST door."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from opspawn.cli import app
from support.rest_door import RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


def test_a_schedule_is_made_shown_held_and_forgotten(door: RestDoor) -> None:
    """Each command says what it did; the task of a trigger is in the history."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["schedules", *arguments, "--url", door.url])
        assert done.exception is None, done.output
        return done.stdout

    made = run("create", "news", "Sum up.", "--cron", "30 7 * * *", "--time-zone", "Asia/Tokyo")
    schedule_id = made.strip()
    assert f"{schedule_id}: paused.\n" == run("pause", schedule_id, "--reason", "holidays")
    assert "paused: holidays" in run("show", schedule_id)
    assert f"{schedule_id}: next 20" in run("resume", schedule_id)
    assert run("trigger", schedule_id).startswith("task_")
    shown = json.loads(run("show", schedule_id, "--json"))
    assert {"goal": "Sum up."} == shown["schedule"]["task"]["input_data"]
    assert (5, ["task"]) == (len(shown["next"]), [each["outcome"] for each in shown["firings"]])
    assert "30 7 * * * Asia/Tokyo" in run("list")
    assert f"{schedule_id}: deleted.\n" == run("delete", schedule_id)
