"""One Opspawn to a data folder: a file lock, which the system drops however its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opspawn.embedded.errors import EmbeddedError


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Holds the folder for this process. Raises `EmbeddedError` when another process holds it."""
    # Not inherited by the server (Python's descriptors are not): it would hold it beyond our death.
    with (data_dir / "opspawn.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise EmbeddedError(
                f"Opspawn already runs in {data_dir} (process {file.read().strip() or 'unknown'}); "
                "stop it, or set OPSPAWN_DATA_DIR to another folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_locked(data_dir: Path) -> bool:
    """Whether an Opspawn runs in the folder now."""
    try:
        with (data_dir / "opspawn.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
