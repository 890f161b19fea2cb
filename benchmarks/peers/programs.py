"""Runs the peers that are a program each, which measures itself."""

import json
import subprocess
from dataclasses import dataclass

from benchmarks.peers.environment import ROOT, Environment, PeerUnavailable, peers_python

#: Seconds; a peer that takes longer is not measured.
PATIENCE_S = 180


@dataclass(frozen=True, slots=True)
class Measured:
    """`took_s`: one task at a time, each from its call to its end."""

    tasks_per_s: float
    took_s: list[float]


def measured(environment: Environment, program: str, url: str, *numbers: int) -> Measured:
    """What a program of this folder says at its end. Raises `PeerUnavailable`."""
    python, plain = peers_python(environment), url.replace("postgresql+asyncpg://", "postgresql://")
    command = [str(python), "-m", f"benchmarks.peers.{program}", plain, *map(str, numbers)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerUnavailable(f"{program} took more than {PATIENCE_S} s") from None
    if done.returncode != 0:
        raise PeerUnavailable(f"{program} failed: {done.stderr.strip()[-300:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))
