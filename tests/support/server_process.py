"""One server that the tests own: started in a temporary folder, stopped, killed, frozen, thawed.

Used by the launchers of PostgreSQL and RabbitMQ. Signals go to processes that were started here, by their
ids, and to nothing else.
"""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

#: Seconds that a server may take to start or to stop on a slow, busy machine.
PATIENCE_S = 60.0

#: Ends the server when the process that started it is gone, even by kill -9: its end of the pipe closes.
GUARD = 'read -r _; kill -s QUIT -- "-$1"; sleep 2; kill -s KILL -- "-$1"; rm -rf -- "$2"'


class ServerUnavailable(Exception):
    """A server could not be provided; the message says what to do about it."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now.

    Below 32768, where the kernel takes the ports of outgoing connections from: one of those could be taken
    before the server binds it, or while it restarts.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def server_account(*preferred: str) -> pwd.struct_passwd:
    """Who a server runs as: ourselves, or, when we are root, the first of these users that exists."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in (*preferred, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerUnavailable(
        "servers do not run as root and there is no user `nobody` to run one as"
    )


def private_folder(prefix: str, account: pwd.struct_passwd) -> Path:
    """A folder only the server's user can read, its path short enough for a Unix socket in it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def run_as(
    account: pwd.struct_passwd, command: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Runs a short program of the server; raises `ServerUnavailable` with what it said."""
    done = subprocess.run(
        command,
        cwd="/",
        env=environment,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[] if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        raise ServerUnavailable(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")


class ServerProcess:
    """A server and all the processes it starts. It may be started again after `stop` or `kill`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        account: pwd.struct_passwd,
        folder: Path,
        is_ready: Callable[[], bool],
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._account = account
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.log = folder / "output.log"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("this server is not running")
        return self._process.pid

    def start(self) -> None:
        """Returns when the server answers. Raises `ServerUnavailable` with the end of its log."""
        if self._process is not None:
            raise RuntimeError("this server is running already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                user=self._account.pw_uid,
                group=self._account.pw_gid,
                extra_groups=[] if os.geteuid() == 0 else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the tests: they stop the server
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self._process.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready()

    def stop(self, number: signal.Signals, *, to: int | None = None) -> None:
        """Asks the server (or its process `to`) to end and waits; kills it when it does not."""
        if self._process is None:
            return
        tree = self._tree()
        _send(psutil.Process(to or self.pid), number)
        for process in wait_until_dead(tree):
            _send(process, signal.SIGKILL)
        self._forget(tree)

    def kill(self) -> None:
        """`kill -9` of the server and of everything it started, as when the machine dies."""
        if self._process is None:
            return
        tree = self._tree()
        for process in tree:
            _send(process, signal.SIGKILL)
        self._forget(tree)

    def freeze(self) -> None:
        """Stops the server's processes where they are: connections stay open and nobody answers."""
        for process in self._tree():
            _send(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in reversed(self._tree()):
            _send(process, signal.SIGCONT)

    def remove(self) -> None:
        """Kills what still runs and deletes the folder."""
        if self._process is not None:
            self.thaw()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def children(self) -> list[psutil.Process]:
        return self._tree()[1:]

    def _tree(self) -> list[psutil.Process]:
        """The server first, then its descendants."""
        try:
            server = psutil.Process(self.pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _forget(self, tree: list[psutil.Process]) -> None:
        wait_until_dead(tree)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        if self._process is not None:
            self._process.wait()
        self._process = self._guard = None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                why = "ended at once" if ended else f"did not answer within {PATIENCE_S:.0f} s"
                raise ServerUnavailable(f"{self._command[0]} {why}:\n{tail}")
            time.sleep(0.05)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def wait_until_dead(
    processes: list[psutil.Process], patience_s: float = PATIENCE_S
) -> list[psutil.Process]:
    """Returns those that outlive our patience. A zombie is dead: whoever inherited it may be slow."""
    deadline = time.monotonic() + patience_s
    while (alive := [each for each in processes if _lives(each)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
