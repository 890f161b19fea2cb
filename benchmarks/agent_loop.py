"""`make bench-agentkit`: what the agent loop costs beside its peers, and a thousand agents in one process.

All drive the same scripted model over HTTP. The peers have an environment of their own, made by uv from
`loops/peers.txt`. Prints a table, writes JSON. `--help` shows the options.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.peers.environment import AGENTS, peers_python  # noqa: E402  # needs the path
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402

STEPS = 5
SYSTEMS = ("bare", "ours", "openai_agents", "pydantic_ai")
NAMES = {
    "bare": "bare SDK",
    "ours": "agentkit",
    "openai_agents": "openai-agents",
    "pydantic_ai": "pydantic-ai",
}


def main() -> int:
    options = _options()
    report, peers = Report("agent-loop", options), peers_python(AGENTS)
    for number in range(1, options.rounds + 1):
        say(f"round {number} of {options.rounds}")
        _import_time(report.results)
        _one_at_a_time(peers, options.runs, report.results)
        _all_at_once(peers, options.agents, options.model_s, report)
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/agent_loop.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=200, help="runs of five steps, one at a time")
    parser.add_argument("--agents", type=int, default=1000, help="agents at once")
    parser.add_argument("--model-s", type=float, default=1.0, help="seconds that the model takes")
    return parser.parse_args()


def _import_time(results: Results) -> None:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - began
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import agentkit"], check=True)
    took = time.perf_counter() - began - bare
    results.add("import, beyond the interpreter", NAMES["ours"], "ms", took * 1000)


def _one_at_a_time(peers: Path, runs: int, results: Results) -> None:
    cpu_ms: dict[str, float] = {}
    for system in SYSTEMS:
        cost = _run(system, peers, 0.0, runs, 1)
        steps = runs * STEPS
        cpu_ms[system] = cost["cpu_s"] * 1000 / steps
        results.add("one agent: steps a second", NAMES[system], "1/s", steps / cost["wall_s"])
        results.add("one agent: memory at the end", NAMES[system], "MB", cost["rss_peak_kb"] / 1024)
    for system in SYSTEMS[1:]:
        over = cpu_ms[system] - cpu_ms["bare"]
        results.add("one agent: CPU a step, beyond the client", NAMES[system], "ms", over)


def _all_at_once(peers: Path, agents: int, model_s: float, report: Report) -> None:
    results = report.results
    for system in SYSTEMS:
        try:
            cost = _run(system, peers, model_s, agents, agents)
        except subprocess.CalledProcessError as error:
            report.miss(f"{NAMES[system]}, {agents:,} agents", error)
            continue
        took = cost["wall_s"] / (model_s * STEPS)
        cpu_ms = cost["cpu_s"] * 1000 / (agents * STEPS)
        each = (cost["rss_peak_kb"] - cost["rss_before_kb"]) / agents
        results.add(f"{agents:,} agents: time, ideal is 1", NAMES[system], "×", took)
        results.add(f"{agents:,} agents: CPU a step", NAMES[system], "ms", cpu_ms)
        results.add(f"{agents:,} agents: memory each", NAMES[system], "KB", each)


def _run(system: str, peers: Path, model_s: float, runs: int, concurrency: int) -> dict[str, float]:
    python = str(peers) if system in ("openai_agents", "pydantic_ai") else sys.executable
    with _model(model_s) as url:
        command = [python, "-m", f"benchmarks.loops.{system}", url, str(runs), str(concurrency)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    cost: dict[str, float] = json.loads(done.stdout)
    return cost


@contextmanager
def _model(delay_s: float) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.loops.model_server", str(delay_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
