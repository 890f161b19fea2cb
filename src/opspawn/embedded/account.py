"""The system user that the embedded PostgreSQL runs as.

PostgreSQL refuses to run as root. An ordinary user runs it as herself; root runs it as a dedicated
system user, who must be able to reach the program and the data.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from opspawn.embedded.errors import EmbeddedError

#: Made on the first start as root.
SYSTEM_USER = "opspawn"

#: What root's embedded server keeps when the data folder cannot be reached by the server's user.
SYSTEM_FOLDER = Path("/var/lib/opspawn")

#: Seconds that a short helper program (initdb among them) may take on a slow disk.
PROGRAM_TIMEOUT_S = 120


class ProcessOptions(TypedDict, total=False):
    """What `subprocess` needs to run a program as another user."""

    cwd: str
    env: dict[str, str]
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server runs as. `switch`: another user than the one who runs this process."""

    name: str
    uid: int
    gid: int
    switch: bool

    def process_options(self) -> ProcessOptions:
        """As this user, in a folder that everybody may enter, with nothing of our environment."""
        # PGHOST, PGPORT, PGDATA and the like would change what a server does.
        environment = {"PATH": os.defpath, "LC_ALL": "C", "HOME": "/"}
        if not self.switch:
            return {"cwd": "/", "env": environment}
        return {
            "cwd": "/",
            "env": environment,
            "user": self.uid,
            "group": self.gid,
            "extra_groups": [],
        }

    def run(self, command: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a short program as this user. Raises `EmbeddedError` when it cannot be run."""
        try:
            return subprocess.run(  # noqa: S603  # a program of PostgreSQL, arguments of ours
                command,
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PROGRAM_TIMEOUT_S,
                check=False,
                **self.process_options(),
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedError(
                f"{command[0]} did not finish within {PROGRAM_TIMEOUT_S} s; is the disk stuck?"
            ) from None
        except PermissionError as error:
            raise EmbeddedError(
                f"{command[0]} cannot be run as the system user {self.name} ({error.strerror}); "
                "run Opspawn as an ordinary user, or set DATABASE_URL."
            ) from None

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach into a folder, asked of the system (modes, ACLs, mounts)."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        return self.run(["test", "-x", str(folder)]).returncode == 0

    def give(self, path: Path) -> None:
        """Hands a file or folder that we made to this user."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def this_account() -> Account:
    """Whoever runs this process."""
    uid = os.geteuid()
    return Account(_name(uid), uid, os.getegid(), switch=False)


def server_account(owner_of: Path | None, say: Callable[[str], None]) -> Account:
    """Who must run the server: an existing cluster's owner, ourselves, or root's system user."""
    me = os.geteuid()
    try:
        owner = me if owner_of is None else owner_of.stat().st_uid
    except OSError as error:
        raise EmbeddedError(f"{owner_of} cannot be opened: {error.strerror}.") from None
    if me not in (0, owner):
        raise EmbeddedError(
            f"The data in {owner_of} belongs to the user {_name(owner)}; run Opspawn as that user "
            "or as root, or set OPSPAWN_DATA_DIR to another folder."
        )
    if me != 0:
        return this_account()
    entry = pwd.getpwuid(owner) if owner != 0 else _system_user(say)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def _system_user(say: Callable[[str], None]) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        say(f"PostgreSQL does not run as root: adding the system user {SYSTEM_USER} for it.")
    program = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if program is None:
        raise EmbeddedError(
            f"PostgreSQL does not run as root and there is no useradd: add a system user named "
            f"{SYSTEM_USER} yourself, or set DATABASE_URL."
        )
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    command = [program, *options, "--home-dir", str(SYSTEM_FOLDER), SYSTEM_USER]
    done = subprocess.run(  # noqa: S603  # constants
        command, capture_output=True, text=True, check=False
    )
    try:
        return pwd.getpwnam(SYSTEM_USER)  # also when another process added it in between
    except KeyError:
        why = (done.stderr.strip().splitlines() or ["useradd failed"])[-1]
        raise EmbeddedError(
            f"The system user {SYSTEM_USER} could not be added ({why}); "
            "run Opspawn as an ordinary user, or set DATABASE_URL."
        ) from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedError(
            f"The user id {uid} has no name on this machine, which PostgreSQL needs; "
            "add it to /etc/passwd, or set DATABASE_URL."
        ) from None
