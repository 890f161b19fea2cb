"""Where the peers are: environments of their own, made when they are missing, and Restate's server in one."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.report import Unavailable, say

from support.npm import node

ROOT = Path(__file__).resolve().parents[2]
RESTATE = "1.7.12"


class PeerUnavailable(Unavailable):
    """A peer that cannot be had or does not do its work here; the message says why. Its rows are missing."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder of the checkout, and the file with the versions that are installed into it."""

    folder: Path
    wanted: Path


_HERE: Final = Path(__file__).parent

#: Apart from each other, so that one that cannot be installed takes no other with it.
DURABLE: Final = Environment(ROOT / ".venv-peers-durable", _HERE / "peers.txt")
QUEUES: Final = Environment(ROOT / ".venv-peers-queues", _HERE / "queues.txt")
AGENTS: Final = Environment(ROOT / ".venv-peers", _HERE.parent / "loops" / "peers.txt")


@cache
def peers_python(environment: Environment) -> Path:
    """The interpreter of that environment, made as it is wanted. Raises `PeerUnavailable`."""
    python = environment.folder / "bin" / "python"
    uv = str(ROOT / ".tools" / "bin" / "uv")
    if not Path(uv).exists():
        raise PeerUnavailable(
            "there is no .tools/bin/uv to install peers with: make .tools/uv.stamp"
        )
    if not python.exists():
        say(f"installing peers into {environment.folder.name}")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run([uv, "venv", "--quiet", "--python", version, str(environment.folder)])
    wanted = str(environment.wanted)
    _run([uv, "pip", "install", "--quiet", "--python", str(environment.folder), "-r", wanted])
    return python


@cache
def restate_server() -> Path:
    """The program, from its npm package. Raises `PeerUnavailable`."""
    peers_python(DURABLE)
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@restatedev/restate-server-linux-{machine}"
    program = DURABLE.folder / "restate" / "node_modules" / package / "bin" / "restate-server"
    if not program.exists():
        npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--silent"]
        target = ["--prefix", str(DURABLE.folder / "restate"), f"{package}@{RESTATE}"]
        _run([str(node()), str(npm), "install", *options, *target])
    return program


def _run(command: list[str]) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerUnavailable(f"{' '.join(command[:4])}: {(done.stderr or done.stdout)[-500:]}")
