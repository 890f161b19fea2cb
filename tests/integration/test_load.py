"""`python benchmarks/load`: what it tells of a server, and what it leaves there."""

import subprocess
import sys
from pathlib import Path

from ops_core.task import Status
from support.documents import ROOT
from support.rest_door import rest_door


def load(url: str, *more: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, ROOT / "benchmarks/load", "--url", url, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_every_arrival_is_answered_and_no_task_is_left() -> None:
    """The tasks are not due, so no worker takes one, and they are cancelled."""
    with rest_door() as door:
        done = load(door.url, "--rate", "40", "--duration", "0.5")
        tasks = door.tasks()
    assert (0, "") == (done.returncode, done.stderr)
    rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines() if line.strip()}
    assert [["20", "0"], ["20", "0"]] == [rows["submit"], rows["get"]]
    assert 20 * [Status.CANCELLED] == [task.status for task in tasks]


def test_what_is_not_answered_is_an_error_and_no_latency() -> None:
    """A server that is not there must not look quick."""
    with rest_door() as door:
        door.close()
        done = load(door.url, "--rate", "20", "--duration", "0.2", "--keep")
    assert 1 == done.returncode
    assert "4 × Unreachable" in done.stdout
