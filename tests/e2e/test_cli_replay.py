"""`opspawn replay`, on a run that a real database keeps and on its file."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops_core.store import Database
from support.agent_desk import AgentDesk
from support.agent_runs import calculates
from support.command import Command
from support.server_process import free_port


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


def replay(folder: Path, *arguments: str, **environment: str) -> Command:
    command = Command(folder, environment, "replay", *arguments)
    try:
        command.end()
        return command
    finally:
        command.close()


async def test_a_run_is_replayed_from_its_database_and_from_its_file(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    """Without a key and without a model; a file that was changed differs, at the step that was."""
    task_id = await calculates(AgentDesk(database=database))
    file = tmp_path / "run.json"
    done = replay(tmp_path, task_id, "--save", str(file), DATABASE_URL=database_url)
    assert (0, f"{task_id}: no difference in 4 steps, up to task.completed.\n") == (
        done.process.returncode,
        done.out,
    )
    assert done.out == replay(tmp_path, str(file)).out
    file.write_text(file.read_text().replace('"output": "391"', '"output": "392"'))
    differs = replay(tmp_path, str(file))
    assert 1 == differs.process.returncode
    lines = differs.out.splitlines()
    assert f"{task_id}: step 1/tool/1 differs" == lines[0]
    assert "392" in lines[1]
    assert "391" in lines[2]


def test_a_task_that_is_not_there_is_refused(tmp_path: Path, database_url: str) -> None:
    """With its id."""
    done = replay(tmp_path, "task_none", DATABASE_URL=database_url)
    assert 5 == done.process.returncode
    assert "task_none" in done.err


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    """Whether none is named, or the one that is cannot be reached."""
    done = replay(tmp_path, "task_none")
    assert 69 == done.process.returncode
    assert "opspawn up" in done.err
    nobody = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x"
    done = replay(tmp_path, "task_none", DATABASE_URL=nobody)
    assert 69 == done.process.returncode
    assert "Nobody listens" in done.err
    assert "hunter2" not in done.err


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """And one that is not there."""
    (tmp_path / "other.json").write_text(json.dumps({"format": "other"}))
    assert 64 == replay(tmp_path, "other.json").process.returncode
    assert 64 == replay(tmp_path, "missing.json").process.returncode
