"""`opspawn migrate`, on a database that the settings name."""

from pathlib import Path

from opspawn import migrate
from support.command import Command
from support.server_process import free_port


def run(folder: Path, **environment: str) -> Command:
    command = Command(folder, environment, "migrate")
    command.end()
    command.close()
    return command


def test_it_brings_a_database_to_the_schema_and_says_so(
    tmp_path: Path, empty_database_url: str
) -> None:
    """Run again, it changes nothing."""
    for _ in range(2):
        command = run(tmp_path, DATABASE_URL=empty_database_url)
        assert 0 == command.process.returncode
        assert f"The database is at revision {migrate.head()}.\n" == command.out
    assert (migrate.head(), migrate.head()) == migrate.current(empty_database_url)


def test_a_direct_url_is_preferred(tmp_path: Path, empty_database_url: str) -> None:
    """Migrations do not go through a transaction pooler."""
    pooler = f"postgresql://u:p@127.0.0.1:{free_port()}/x"
    command = run(tmp_path, DATABASE_URL=pooler, OPSPAWN_DATABASE_DIRECT_URL=empty_database_url)
    assert 0 == command.process.returncode


def test_without_a_database_it_says_what_to_set(tmp_path: Path) -> None:
    """The embedded one is migrated by `opspawn up`."""
    command = run(tmp_path)
    assert 64 == command.process.returncode
    assert "set DATABASE_URL" in command.err


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    """One line, exit code 69, no password."""
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"
    command = run(tmp_path, DATABASE_URL=url)
    assert 69 == command.process.returncode
    assert 1 == len(command.err.splitlines())
    assert "hunter2" not in command.err
