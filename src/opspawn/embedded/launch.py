"""Starts the server of a cluster, or takes over the one that a killed run left.

It listens on a Unix socket only, in a folder that only its user can enter, and lives in a session
of its own: Ctrl-C in the terminal reaches Opspawn, which drains first and stops its database last.
"""

import hashlib
import os
import stat
import subprocess
import time
from pathlib import Path

import psutil

from opspawn.embedded.account import Account
from opspawn.embedded.cluster import Cluster, Say
from opspawn.embedded.errors import EmbeddedError
from opspawn.embedded.postmaster import (
    PORT,
    Postmaster,
    find,
    is_ready,
    pid_file_lines,
    socket_file,
)

#: Crash recovery replays the log since the last checkpoint; a slow disk needs a while for it.
START_TIMEOUT_S = 120.0
POLL_S = 0.01

#: The longest path that fits into `sockaddr_un` on Linux, without its closing NUL.
LONGEST_SOCKET_PATH = 107

#: The server's log starts anew beyond this size, keeping one old file.
LOG_BYTES = 10 * 1024 * 1024

#: Short, on every Unix, and not where a login session's end would clear it away.
SOCKET_PARENT = Path("/tmp")  # noqa: S108  # _check_ours refuses what others put there


def start(cluster: Cluster, log: Path, say: Say) -> Postmaster:
    """Returns a server that accepts connections. Raises `EmbeddedError`."""
    left = find(cluster.path)
    if left is not None and is_ready(cluster.path) and left.answers():
        say("Taking over the PostgreSQL that an earlier run left running.")
        return left
    if left is not None:
        left.stop()
    _forget_stranger(cluster.path)
    socket_dir = _socket_dir(cluster)
    child = _launch(cluster, socket_dir, log)
    postmaster = Postmaster(psutil.Process(child.pid), socket_dir, child)
    try:
        _await_ready(cluster.path, child, log)
    except BaseException:  # whatever ends the wait, Ctrl-C too: no server stays behind unwatched
        postmaster.stop()
        raise
    return postmaster


def _launch(cluster: Cluster, socket_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "logging_collector": "off",
        "log_destination": "stderr",
        **_small(cluster.installation.major),
    }
    command = [str(cluster.installation.programs / "postgres"), "-D", str(cluster.path)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".old"))
    with log.open("ab") as output:
        log.chmod(0o600)
        return subprocess.Popen(  # noqa: S603  # arguments of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **cluster.account.process_options(),
        )


def _small(major: int) -> dict[str, str]:
    """What a server for one machine can do without. Nothing of it touches what is safe on disk."""
    options = {
        # Nobody replicates a database that has no network: one process less.
        "max_logical_replication_workers": "0",
        # Half of the default: what is not in them is in the kernel's cache, which costs no process anything.
        "shared_buffers": "64MB",
        # A batch of steps is some 100 KB. The default, 4 MB, is filled by one process after another.
        "wal_buffers": "1MB",
    }
    if major >= 18:  # before, there was no other way
        options["io_method"] = "sync"  # three processes less
    return options


def _await_ready(cluster: Path, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise EmbeddedError(
                f"PostgreSQL did not start: {_last_words(log)} (more in {log}); "
                "mend that, or set OPSPAWN_DATA_DIR to a new folder."
            )
        if pid_file_lines(cluster)[:1] == [str(child.pid)] and is_ready(cluster):
            return
        time.sleep(POLL_S)
    raise EmbeddedError(
        f"PostgreSQL was not ready within {START_TIMEOUT_S:.0f} s; its log is {log}."
    )


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines
    return fatal[-1].strip() if fatal else "it said nothing"


def _forget_stranger(cluster: Path) -> None:
    """Removes a pid file whose number is another process's now: PostgreSQL would not start.

    A number that belongs to nobody is left to PostgreSQL, which checks more than we can.
    """
    lines = pid_file_lines(cluster)
    if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
        (cluster / "postmaster.pid").unlink()


def _socket_dir(cluster: Cluster) -> Path:
    """A short folder of the server's user alone, the same for each start of a cluster."""
    account = cluster.account
    name = hashlib.sha256(str(cluster.path.resolve()).encode()).hexdigest()[:8]
    folder = SOCKET_PARENT / f"opspawn-{account.uid}-{name}"
    if len(os.fsencode(socket_file(folder))) > LONGEST_SOCKET_PATH:
        raise EmbeddedError(f"{folder} is too long for a socket; set DATABASE_URL.")
    try:
        folder.mkdir(mode=0o700)
        account.give(folder)
    except FileExistsError:
        _check_ours(folder, account)
    return folder


def _check_ours(folder: Path, account: Account) -> None:
    # /tmp is everybody's: a folder or link that somebody else put there would get our connections.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise EmbeddedError(
            f"{folder} is not a closed folder of the user {account.name}; remove it, start again."
        )
