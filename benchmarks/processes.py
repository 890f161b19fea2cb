"""Starts the processes that are measured, each with its own folder and nothing of our environment."""

import http.client
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.server_process import ServerProcess, private_folder

ROOT = Path(__file__).resolve().parents[1]

#: What a process may know of the environment: no key, no setting, no server of somebody else.
KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "LD_LIBRARY_PATH")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    # What is measured is what a task costs, not who asks for it.
    return {**kept, "HOME": str(home), "OPSPAWN_AUTH": "none", **more}


def open_folder(prefix: str = "ops-bench-") -> Path:
    """A new folder that other users may enter, as the user of an embedded PostgreSQL must."""
    folder = private_folder(prefix, pwd.getpwuid(os.geteuid()))
    folder.chmod(0o755)
    return folder


@contextmanager
def python_process(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    is_ready: Callable[[], bool] = lambda: True,
) -> Iterator[ServerProcess]:
    """`python arguments…` from when it is ready until the end of the block, when it is asked to stop.

    Its children end with it, and it ends with us, even by kill -9.
    """
    folder = folder or open_folder()
    process = ServerProcess(
        [sys.executable, "-P", *arguments],
        environment={**clean_environment(folder), "PYTHONPATH": str(ROOT), **environment},
        account=pwd.getpwuid(os.geteuid()),
        folder=folder,
        is_ready=is_ready,
    )
    try:
        process.start()
        yield process
    except Exception as error:
        if process.log.exists():
            error.add_note(
                f"{arguments[-1]} said:\n{process.log.read_text(errors='replace')[-2000:]}"
            )
        raise
    finally:
        process.stop(signal.SIGTERM)
        process.remove()


def answers(port: int) -> bool:
    """Whether a REST door is ready to accept tasks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
