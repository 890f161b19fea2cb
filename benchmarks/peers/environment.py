"""Where the peers are: an environment of their own, made when it is missing, and Restate's server in it."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

from support.npm import node

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-peers-durable"
RESTATE = "1.7.12"


class PeerUnavailable(Exception):
    """A peer that cannot be had or does not do its work here; the message says why. Its rows are missing."""


@cache
def peers_python() -> Path:
    """The interpreter of the peers' environment. Raises `PeerUnavailable`."""
    python = FOLDER / "bin" / "python"
    uv = str(ROOT / ".tools" / "bin" / "uv")
    if not Path(uv).exists():
        raise PeerUnavailable(
            "there is no .tools/bin/uv to install peers with: make .tools/uv.stamp"
        )
    if not python.exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run([uv, "venv", "--quiet", "--python", version, str(FOLDER)])
    wanted = str(Path(__file__).with_name("peers.txt"))
    _run([uv, "pip", "install", "--quiet", "--python", str(FOLDER), "-r", wanted])
    return python


@cache
def restate_server() -> Path:
    """The program, from its npm package. Raises `PeerUnavailable`."""
    peers_python()
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@restatedev/restate-server-linux-{machine}"
    program = FOLDER / "restate" / "node_modules" / package / "bin" / "restate-server"
    if not program.exists():
        npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--silent"]
        target = ["--prefix", str(FOLDER / "restate"), f"{package}@{RESTATE}"]
        _run([str(node()), str(npm), "install", *options, *target])
    return program


def _run(command: list[str]) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerUnavailable(f"{' '.join(command[:4])}: {(done.stderr or done.stdout)[-500:]}")
