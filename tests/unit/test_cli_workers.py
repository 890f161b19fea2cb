"""The commands for workers, in process, against the real REST door."""

import json
import re
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from opspawn.cli import app
from support.rest_door import WORKER, RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


def test_workers_are_listed_shown_and_drained(door: RestDoor) -> None:
    """One line each: who, in which state, with how many tasks, seen when, for which queues."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["workers", *arguments, "--url", door.url])
        assert done.exception is None, done.output
        return done.stdout

    assert {"workers": [], "next_cursor": None} == json.loads(run("list", "--json"))
    CliRunner().invoke(app, ["run", "a goal", "--detach", "--url", door.url])
    door.claim()
    shown = run("show", WORKER)
    assert re.fullmatch(rf"{WORKER}  alive  1 of 1  \d+ s ago  unknown  default\n", shown)
    assert [WORKER, "alive"] == run("list").splitlines()[1].split()[:2]
    assert run("drain", WORKER).startswith(f"{WORKER}  draining  1 of 1  ")
