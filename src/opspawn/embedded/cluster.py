"""The data of the embedded PostgreSQL: made once, then always opened with the version that made it.

`.opspawn/postgres.json` records where the cluster is and which programs made it. A cluster appears
under its name complete (with its database) or not at all: a start that was killed is repeated.
"""

import errno
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opspawn.embedded.account import SYSTEM_FOLDER, Account, server_account
from opspawn.embedded.errors import EmbeddedError
from opspawn.embedded.installation import (
    NO_POSTGRESQL,
    Installation,
    inspect,
    installations,
    reachable,
)

DATABASE = "opspawn"
DATABASE_USER = "opspawn"

#: What is in the line in which a program of PostgreSQL says why it fails.
_TELLING: Final = ("error:", "FATAL", "PANIC")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL data folder with the programs and the user that it must be run with."""

    path: Path
    installation: Installation
    account: Account


@dataclass(frozen=True, slots=True)
class Record:
    """What `postgres.json` says."""

    path: Path
    programs: Path | None
    major: int


def read_record(data_dir: Path) -> Record | None:
    """The record of a data folder, None before the first start.

    Raises `EmbeddedError` when it is damaged.
    """
    file = data_dir / "postgres.json"
    try:
        data = json.loads(file.read_text())
        return Record(data_dir / data["cluster"], Path(data["programs"]), int(data["major"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise EmbeddedError(
            f"{file} is damaged; restore it from a backup, or set OPSPAWN_DATA_DIR to a new folder."
        ) from None


def open_cluster(data_dir: Path, say: Say) -> Cluster:
    """The cluster of a data folder, made on the first call. Raises `EmbeddedError`."""
    record = read_record(data_dir)
    if record is None and (data_dir / "postgres" / "PG_VERSION").is_file():
        # Killed between making the cluster and recording it.
        record = Record(data_dir / "postgres", None, _major_of(data_dir / "postgres"))
    if record is None:
        return _create(data_dir, say)
    if not (record.path / "PG_VERSION").is_file():
        raise EmbeddedError(
            f"{data_dir}/postgres.json names the data in {record.path}, which is not there: "
            "bring it back, or delete postgres.json to start with an empty database."
        )
    account = server_account(record.path, say)
    if account.switch:
        say(
            f"Running as root: PostgreSQL runs as the user {account.name}, "
            f"its data is in {record.path}."
        )
    installation = reachable(installation_of(record, account), account, say)
    _write_record(data_dir, record.path, installation)
    return Cluster(record.path, installation, account)


def installation_of(record: Record, account: Account) -> Installation:
    """The programs that made the cluster, or others of its major version: none else can open it.

    Raises `EmbeddedError` when they are gone.
    """
    # Run as the cluster's user: the record may have been written by somebody root should not obey.
    recorded = inspect(record.programs, account) if record.programs else None
    if recorded is not None and recorded.major == record.major:
        return recorded
    for installation in installations():
        if installation.major == record.major:
            return installation
    raise EmbeddedError(
        f"The data in {record.path} was made by PostgreSQL {record.major} ({record.programs}), "
        "which is gone: install that version again, or set OPSPAWN_DATA_DIR to a new folder."
    )


def _create(data_dir: Path, say: Say) -> Cluster:
    account = server_account(None, say)
    path = _place(data_dir, account, say)
    problems: list[str] = []
    for candidate in installations():
        try:
            installation = reachable(candidate, account, say)
            say(f"First start: making a database with PostgreSQL {installation.version} in {path}.")
            _make(path, installation, account)
        except EmbeddedError as error:
            problems.append(str(error))
            continue
        _write_record(data_dir, path, installation)
        return Cluster(path, installation, account)
    raise EmbeddedError(problems[0] if problems else NO_POSTGRESQL)


def _place(data_dir: Path, account: Account, say: Say) -> Path:
    """Where a new cluster goes: into the data folder, if the server's user can reach it there."""
    if account.can_enter(data_dir):
        if account.switch:
            say(f"Running as root: PostgreSQL runs as the system user {account.name}.")
        return data_dir / "postgres"
    path = SYSTEM_FOLDER / f"data-{secrets.token_hex(4)}"
    say(
        f"Running as root: PostgreSQL runs as the system user {account.name}, who cannot reach "
        f"{data_dir}; the database goes to {path}."
    )
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


def _make(path: Path, installation: Installation, account: Account) -> None:
    """initdb and CREATE DATABASE in a draft folder, which takes its name once all of it is on disk.

    Until then nothing is worth a wait for the disk: a draft that a power cut spoils is made again.
    """
    for left in path.parent.glob(f"{path.name}.new*"):
        shutil.rmtree(left, ignore_errors=True)  # who still writes there does not keep us from it
    # A name of its own: the initdb of a start that was killed lives on, and empties its folder when it fails.
    draft = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)
    account.give(draft)
    # "trust" is for whoever reaches the socket, and its folder is closed to everybody else.
    options = f"--username={DATABASE_USER} --auth=trust --encoding=UTF8 --locale=C --data-checksums"
    programs = installation.programs
    initdb = [str(programs / "initdb"), "-D", str(draft)]
    _do(account, [*initdb, "--no-sync", *options.split()])
    # Without exit_on_error a statement that failed, on a full disk say, would pass for done.
    single = [str(programs / "postgres"), "--single", "-c", "fsync=off", "-c", "exit_on_error=on"]
    make = f"CREATE DATABASE {DATABASE};\n"
    _do(account, [*single, "-D", str(draft), "postgres"], stdin=make)
    _do(account, [*initdb, "--sync-only"])
    draft.rename(path)
    # Else a power cut could give it the draft's name back, and the next start deletes drafts.
    _sync(path.parent)


def _do(account: Account, command: list[str], stdin: str = "") -> None:
    done = account.run(command, stdin=stdin)
    if done.returncode != 0:
        raise EmbeddedError(f"The database could not be made: {why_it_failed(done)}")


def why_it_failed(done: subprocess.CompletedProcess[str]) -> str:
    """What the program said of its end, else how it ended: its first lines tell of ordinary work."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    if telling:
        return telling[0]
    end = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    program = Path(done.args[0]).name
    return f"{program} ended with {end}" + (f", after: {lines[-1]}" if lines else "")


def _major_of(path: Path) -> int:
    return int((path / "PG_VERSION").read_text().split(".")[0])


def _write_record(data_dir: Path, path: Path, installation: Installation) -> None:
    """Relative inside the data folder, so that the folder can be moved as a whole."""
    place = path.relative_to(data_dir) if path.is_relative_to(data_dir) else path
    record = {
        "cluster": str(place),
        "programs": str(installation.programs),
        "major": installation.major,
    }
    text = json.dumps(record, indent=2) + "\n"
    file = data_dir / "postgres.json"
    if file.exists() and file.read_text() == text:
        return
    draft = file.with_suffix(".new")
    draft.write_text(text)
    _sync(draft)
    draft.replace(file)
    _sync(data_dir)


def _sync(path: Path) -> None:
    """What a file says, or which names a folder has, is on disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # Some file systems sync no folders; PostgreSQL passes over that too.
        if not (path.is_dir() and error.errno in {errno.EBADF, errno.EINVAL}):
            raise
    finally:
        os.close(opened)
