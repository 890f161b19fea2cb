"""Installs a server's Debian package on a machine that lacks it, for a test that cannot run without."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.server_process import ServerUnavailable

#: Asked by packages before they start a service; 101 means "not allowed" (Debian policy, invoke-rc.d).
POLICY = Path("/usr/sbin/policy-rc.d")
NO_SERVICES = "#!/bin/sh\nexit 101\n"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str, say: Callable[[str], None]) -> None:
    """Raises `ServerUnavailable` with apt's last words and the command that a person can try."""
    say(f"installing the Debian package {package}, its service kept from starting")
    with services_kept_down():
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", package)


@contextmanager
def services_kept_down() -> Iterator[None]:
    """The machine's own servers are none of our business: the tests start private ones."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(NO_SERVICES)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-qq", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ServerUnavailable(
            f"`{' '.join(command)}` failed; run it by hand:\n" + "\n".join(lines)
        )
