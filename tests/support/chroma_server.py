"""A Chroma server of the tests' own: `chroma run`, which comes with the package."""

import os
import pwd
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.server_process import ServerProcess, free_port, private_folder

CHROMA = Path(sys.executable).with_name("chroma")


@contextmanager
def chroma() -> Iterator[tuple[ServerProcess, int]]:
    """The server, and its port on 127.0.0.1."""
    port = free_port()
    account = pwd.getpwuid(os.geteuid())
    folder = private_folder("chroma-", account)
    command = [str(CHROMA), "run", "--host", "127.0.0.1", "--port", str(port)]
    server = ServerProcess(
        [*command, "--path", str(folder / "data")],
        environment=dict(os.environ),
        account=account,
        folder=folder,
        is_ready=lambda: _answers(port),
    )
    try:
        server.start()
        yield server, port
    finally:
        server.remove()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False
