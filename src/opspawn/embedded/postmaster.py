"""The running server process: found again after a crash of ours, asked if it answers, stopped."""

import contextlib
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from opspawn.embedded.cluster import DATABASE, DATABASE_USER

#: Only part of the name of the socket file: there is no TCP.
PORT = 5432

STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A server process and the folder of its socket. `child` when this process started it."""

    process: psutil.Process
    socket_dir: Path
    child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return (
            f"postgresql+asyncpg://{DATABASE_USER}@/{DATABASE}?host={self.socket_dir}&port={PORT}"
        )

    def answers(self) -> bool:
        """Whether the socket is still there and somebody listens on it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(socket_file(self.socket_dir)))
            except OSError:
                return False
            return True

    def stop(self) -> None:
        """Stops the server cleanly (sessions end, nothing is lost), harshly when it must be."""
        self._end()
        with contextlib.suppress(OSError):
            self.socket_dir.rmdir()

    def _end(self) -> None:
        for how, timeout_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 5.0)):
            try:
                self.process.send_signal(how)
                self._wait(timeout_s)
            except psutil.NoSuchProcess:
                return
            except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                continue
            return

    def _wait(self, timeout_s: float) -> None:
        if self.child is not None:
            self.child.wait(timeout_s)
        else:
            self.process.wait(timeout_s)


def find(cluster: Path) -> Postmaster | None:
    """The server that runs on a cluster now, ready or not.

    A number in `postmaster.pid` is no proof after a reboot: the process must work in that folder.
    """
    lines = pid_file_lines(cluster)
    try:
        process = psutil.Process(int(lines[0]))
        if process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != cluster.resolve():
            return None
    except (ValueError, IndexError, OSError, psutil.Error):
        return None
    return Postmaster(process, Path(lines[4] if len(lines) > 4 else ""))


def is_ready(cluster: Path) -> bool:
    """Whether the server says that it accepts connections (line 8 of its pid file)."""
    return pid_file_lines(cluster)[7:8] == ["ready"]


def pid_file_lines(cluster: Path) -> list[str]:
    """Pid, data folder, start time, port, socket folder, address, shared memory, status."""
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def socket_file(socket_dir: Path) -> Path:
    return socket_dir / f".s.PGSQL.{PORT}"
