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


def run_in(door: RestDoor, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["workers", *arguments, "--url", door.url])
    assert done.exception is None, done.output
    return done.stdout


def test_workers_are_listed_shown_and_drained(door: RestDoor) -> None:
    """One line each: who, in which state, with how many tasks, seen when, for which queues."""

    def run(*arguments: str) -> str:
        return run_in(door, *arguments)

    assert {"workers": [], "next_cursor": None} == json.loads(run("list", "--json"))
    CliRunner().invoke(app, ["run", "a goal", "--detach", "--url", door.url])
    door.claim()
    shown = run("show", WORKER)
    assert re.fullmatch(rf"{WORKER}  alive  1 of 1  \d+ s ago  unknown  default\n", shown)
    assert [WORKER, "alive"] == run("list").splitlines()[1].split()[:2]
    assert run("drain", WORKER).startswith(f"{WORKER}  draining  1 of 1  ")


def test_a_worker_that_takes_nothing_serves_no_queue(door: RestDoor) -> None:
    """It is said in words; so many are listed as were asked for."""
    door.beat("w1", "default", "mail")
    door.beat("w2")
    assert run_in(door, "show", "w1").endswith("  default, mail\n")
    assert run_in(door, "show", "w2").endswith("  none\n")
    assert [3, 2] == [
        len(run_in(door, "list", *more).splitlines()) for more in ((), ("--limit", "1"))
    ]
