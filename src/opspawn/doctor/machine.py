"""Checks of the machine itself."""

import platform
import sys
from pathlib import Path
from typing import Final

import psutil

from opspawn.doctor.check_error import CheckError

OLDEST_PYTHON: Final = (3, 11)

#: PostgreSQL, Opspawn and the small local model together stay below this. Megabytes.
NEEDED_MB: Final = 500

_CGROUP: Final = Path("/sys/fs/cgroup")


def python() -> str:
    """The interpreter that runs this."""
    version = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise CheckError(f"{version} is too old; Opspawn needs 3.11 or newer")
    return f"{version} ({platform.system()} {platform.machine()})"


def memory() -> str:
    """What is free, within a container's limit when there is one."""
    free_mb = min(psutil.virtual_memory().available, _container_free()) // 1_000_000
    if free_mb < NEEDED_MB:
        raise CheckError(f"{free_mb} MB free; Opspawn with its small model needs {NEEDED_MB} MB")
    return f"{free_mb:,} MB free"


def _container_free() -> float:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return float("inf")
    return float("inf") if limit == "max" else int(limit) - used
