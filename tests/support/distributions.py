"""Builds the three distributions and installs them elsewhere, as a release and its user would."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {"agentkit": ROOT / "agentkit", "ops_core": ROOT / "ops-core", "opspawn": ROOT}
LOCK = ROOT / "requirements.lock"


@dataclass(frozen=True, slots=True)
class Built:
    """What a release would upload, by package."""

    sdists: dict[str, Path]
    wheels: dict[str, Path]


def build(folder: Path) -> Built:
    """The sdist of each distribution, and the wheel built from that sdist (not from the tree)."""
    for project in PROJECTS.values():
        run(uv.find_uv_bin(), "build", "--quiet", "-b", LOCK, "--out-dir", folder, project)
    return Built(
        sdists={name: _only(folder, f"{name}-*.tar.gz") for name in PROJECTS},
        wheels={name: _only(folder, f"{name}-*.whl") for name in PROJECTS},
    )


def install(folder: Path, *wheels: Path) -> Path:
    """Makes an environment of the wheels and what they ask for; returns the folder of its programs."""
    tool = uv.find_uv_bin()
    run(tool, "venv", "--quiet", "--python", sys.executable, folder)
    run(tool, "pip", "install", "--quiet", "--python", folder, "-c", LOCK, "-b", LOCK, *wheels)
    return folder / "bin"


def run(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Runs a program with this environment and `env`; a failure shows what it said."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found
