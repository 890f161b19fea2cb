"""A real PostgreSQL of our own in the data folder, for running Opspawn without any server.

Used when DATABASE_URL is unset. It outlives `kill -9` of Opspawn: the next start takes it over.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opspawn.embedded.account import server_account
from opspawn.embedded.cluster import installation_of, open_cluster, read_record
from opspawn.embedded.errors import EmbeddedError
from opspawn.embedded.installation import NO_POSTGRESQL, installations
from opspawn.embedded.launch import start
from opspawn.embedded.lock import is_locked, locked
from opspawn.embedded.postmaster import find

__all__ = ["EmbeddedError", "State", "look", "postgres"]


@contextmanager
def postgres(data_dir: Path, say: Callable[[str], None]) -> Iterator[str]:
    """Runs the PostgreSQL of a data folder; yields its URL (postgresql+asyncpg://…, Unix socket).

    The database `opspawn` exists, and is empty on the first start. `say` gets one line for each
    thing that a person should know. One process at a time may hold a data folder.
    Raises `EmbeddedError`.
    """
    with ExitStack() as held:
        try:
            data_dir = _prepare(data_dir)
            held.enter_context(locked(data_dir))
            server = start(open_cluster(data_dir, say), data_dir / "postgres.log", say)
        except OSError as error:
            raise EmbeddedError(
                f"{error.filename or data_dir}: {error.strerror}; mend it, or set OPSPAWN_DATA_DIR."
            ) from error
        held.callback(server.stop)
        yield server.url


def _prepare(data_dir: Path) -> Path:
    is_new = not data_dir.exists()
    data_dir.mkdir(parents=True, exist_ok=True)
    if is_new:
        (data_dir / ".gitignore").write_text("*\n")
    if is_new and os.geteuid() == 0:
        data_dir.chmod(0o755)  # the server's user must get through, whatever root's umask says
    return data_dir.resolve()


@dataclass(frozen=True, slots=True)
class State:
    """What stands in a data folder, found without starting or changing anything."""

    is_held: bool
    """An Opspawn runs on it now."""

    url: str | None
    """Where its server can be reached, when it runs."""

    version: str
    """Of the PostgreSQL that made the data, or would make it: `15` or `15.18`."""

    programs: Path


def look(data_dir: Path) -> State:
    """Raises `EmbeddedError` when the folder cannot be opened or there is no PostgreSQL for it."""
    record = read_record(data_dir)
    server = find(record.path) if record else None
    if record is None:
        installation = next(installations(), None)
    else:
        installation = installation_of(record, server_account(record.path, lambda _line: None))
    if installation is None:
        raise EmbeddedError(NO_POSTGRESQL)
    return State(
        is_held=is_locked(data_dir),
        url=server.url if server and server.answers() else None,
        version=installation.version,
        programs=installation.programs,
    )
