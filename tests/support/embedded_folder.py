"""Data folders for the embedded PostgreSQL, and the processes of others that run on them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

#: Holds an embedded PostgreSQL until it is killed; says its URL when it is ready.
HOLDER = """
import sys, threading
from pathlib import Path
from opspawn.embedded import postgres
with postgres(Path(sys.argv[1]), lambda line: None) as url:
    print(url, flush=True)
    threading.Event().wait()
"""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that every user may enter (pytest's own are closed), cleared away with its server."""
    parent = Path(tempfile.mkdtemp(prefix="opspawn-test-", dir="/tmp"))
    parent.chmod(0o755)
    try:
        yield parent / "data"
    finally:
        stop_servers_below(parent)
        shutil.rmtree(parent)


def copy_folder(source: Path, target: Path) -> None:
    """A data folder is whole in itself: a copy is as good, and much quicker than a first start."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def stop_servers_below(folder: Path) -> None:
    """Ends the postmasters that a test left on folders of its own."""
    for pid_file in folder.rglob("postmaster.pid"):
        process = postmaster_of(pid_file.parent)
        if process is not None:
            socket_dir = Path(pid_file.read_text().splitlines()[4])
            process.send_signal(signal.SIGINT)
            process.wait(30)
            socket_dir.rmdir()


def postmaster_of(cluster: Path) -> psutil.Process | None:
    """The server that works in a cluster."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n")[0])
        process = psutil.Process(pid)
        return process if Path(process.cwd()) == cluster.resolve() else None
    except (OSError, ValueError, psutil.Error):
        return None


@contextmanager
def holder(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs the folder's PostgreSQL, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the holder did not start"
        yield process, url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
