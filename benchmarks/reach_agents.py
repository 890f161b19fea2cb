"""agentkit's agents on a scripted model over HTTP, a thousand at once; beside them the default client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers.environment import ROOT, PeerUnavailable
from benchmarks.results import Results

CALLS = 5
WALL = "agents at once: time, ideal is 1"
CPU = "agents at once: CPU a model call"
RATE = "agents at once, a quick model: model calls a second"
OURS, BARE = "agentkit", "default httpx"

#: Seconds that the model takes: long enough to compare with an ideal, and so short that only CPU counts.
MODEL_S, QUICK_S = 2.0, 0.1


def measure(agents: int, results: Results) -> None:
    """One round."""
    cost = _run("ours", agents, MODEL_S, CALLS)
    results.add(WALL, OURS, "×", cost["wall_s"] / (MODEL_S * CALLS))
    results.add(CPU, OURS, "ms", cost["cpu_s"] * 1000 / (agents * CALLS))
    quick = _run("ours", agents, QUICK_S, CALLS)
    results.add(RATE, OURS, "calls/s", agents * CALLS / quick["wall_s"])


def measure_default(agents: int, results: Results) -> None:
    """The OpenAI SDK as it comes, one call an agent: more would take minutes. Once in a run."""
    cost = _run("bare", agents, QUICK_S, 1)
    results.add(CPU, BARE, "ms", cost["cpu_s"] * 1000 / agents)


def _run(system: str, agents: int, model_s: float, calls: int) -> dict[str, float]:
    with _model(model_s, calls - 1) as url:
        command = [
            sys.executable,
            "-m",
            f"benchmarks.loops.{system}",
            url,
            str(agents),
            str(agents),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerUnavailable(f"{system} failed: {done.stderr.strip()[-300:]}")
    cost: dict[str, float] = json.loads(done.stdout)
    return cost


@contextmanager
def _model(delay_s: float, tool_calls: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.loops.model_server", str(delay_s), str(tool_calls)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.terminate()
