"""A PostgreSQL whose disk is small and can be filled: a tmpfs in a mount namespace of its own.

    with SmallDiskPostgres(megabytes=96) as server:
        server.fill(leaving_mb=4)
        …
        server.free()

The tmpfs is mounted nowhere but in that namespace: no other process sees it, and it is gone with the server.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.postgres_server import PostgresServer
from support.server_process import ServerUnavailable

#: Copies the new data folder to the small disk, lays that over it, says so and holds the namespace until its
#: input is closed.
MOUNT = """
set -e
mkdir "$1/small"
mount -t tmpfs -o "size=$2m" small "$1/small"
cp -a "$1/data/." "$1/small"
chown --reference="$1/data" "$1/small" && chmod 700 "$1/small"
mount --bind "$1/small" "$1/data"
echo mounted
exec cat
"""


class SmallDiskPostgres(PostgresServer):
    """Raises `ServerUnavailable` where no private mount namespace can be had: that takes root."""

    def __init__(self, *, megabytes: int) -> None:
        self._megabytes = megabytes
        self._holder: subprocess.Popen[str] | None = None
        super().__init__()

    def fill(self, *, leaving_mb: float) -> None:
        """Writes a file that leaves so much of the disk."""
        disk = self._inside / "data"
        room = os.statvfs(disk)
        size = int(room.f_bavail * room.f_frsize - leaving_mb * 2**20)
        with (disk / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(size, 1))

    def free(self) -> None:
        """Deletes that file."""
        (self._inside / "data" / "ballast").unlink()

    def remove(self) -> None:
        super().remove()
        if self._holder is not None:
            self._holder.communicate("")  # its input ends, and so does it
            self._holder = None

    @property
    def _inside(self) -> Path:
        """The server's folder as it is seen in the namespace."""
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/root{self._process.folder}")

    def _launch(
        self, account: pwd.struct_passwd, folder: Path
    ) -> tuple[Sequence[str], pwd.struct_passwd]:
        for program in ("unshare", "nsenter", "setpriv", "mount"):
            if shutil.which(program) is None:
                raise ServerUnavailable(
                    f"no `{program}` here (on Debian: apt-get install util-linux)"
                )
        self._holder = subprocess.Popen(
            # Private: what is mounted inside is mounted nowhere else.
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", MOUNT, "small-disk", str(folder), str(self._megabytes)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "mounted\n":
            said = self._holder.communicate()[1].strip()
            raise ServerUnavailable(
                "a small disk needs root and leave to make a private mount namespace "
                f"(CAP_SYS_ADMIN; in a container: --privileged): {said}"
            )
        enter = ["nsenter", "--target", str(self._holder.pid), "--mount"]
        ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        return [*enter, "setpriv", *ids], pwd.getpwuid(os.geteuid())
