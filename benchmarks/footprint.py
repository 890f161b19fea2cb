"""`make bench-footprint`: what an Opspawn that does nothing needs, and how soon it is there.

Everything in one process on a PostgreSQL of its own, without a model; started in a new folder and in one that
it knows. Prints tables, writes JSON. `--help` shows the options.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

import psutil  # noqa: E402  # needs the path
from benchmarks.processes import answers, clean_environment, open_folder, python_process  # noqa: E402
from benchmarks.report import Report, add_output, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402
from benchmarks.targets import Target  # noqa: E402

from support.server_process import free_port  # noqa: E402

OURS: Final = "opspawn"
READY, READY_NEW = "ready again", "ready in a new folder"
HELP, IMPORT = "`opspawn --help`", "`import agentkit`"
SHARED, PROPORTIONAL = "memory of all processes, added up", "memory in all, shared pages once"

TARGETS: Final = (
    Target(SHARED, "≤", 200, (SHARED, OURS), unit="MB", point=8),
    Target(PROPORTIONAL, "≤", 200, (PROPORTIONAL, OURS), unit="MB", point=8),
    Target(READY, "≤", 3, (READY, OURS), unit="s", point=8),
    Target(READY_NEW, "≤", 3, (READY_NEW, OURS), unit="s", point=8),
    Target(HELP, "≤", 200, (HELP, OURS), unit="ms", point=8),
    Target(IMPORT, "≤", 150, (IMPORT, OURS), unit="ms"),
)

#: The programs that are started ten times a round.
COMMAND: Final = Path(sys.executable).with_name("opspawn")
PROGRAMS: Final = {
    HELP: [str(COMMAND), "--help"],
    IMPORT: [sys.executable, "-P", "-c", "import agentkit"],
}
TIMES: Final = 10

UP: Final = ("-c", "from opspawn.cli import main; main()", "up")

#: What is done at the beginning is over, and connections that only it needed are closed. Seconds.
IDLE_S: Final = 25.0
QUICK_IDLE_S: Final = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/footprint.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="two starts and twenty programs each")
    parser.add_argument("--quick", action="store_true", help="one round: does it run?")
    add_output(parser)
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    report = Report("footprint", options, TARGETS)
    folder = open_folder()
    try:
        for number in range(1, report.options.rounds + 1):
            say(f"round {number} of {report.options.rounds}")
            _start(folder / str(number), READY_NEW, report.results, 0)
            idle_s = QUICK_IDLE_S if options.quick else IDLE_S
            _start(folder / str(number), READY, report.results, idle_s)
            for what, command in PROGRAMS.items():
                for _ in range(TIMES):
                    _program(what, command, report.results)
    finally:
        code = report.end()
    return code


def _start(data: Path, what: str, results: Results, idle_s: float) -> None:
    """One start, and what it holds once it was idle for so long."""
    port = free_port()
    settings = {
        "OPSPAWN_API_PORT": str(port),
        "OPSPAWN_GRPC_PORT": str(free_port()),
        "OPSPAWN_DATA_DIR": str(data),
        "AGENTKIT_LLM_PROVIDER": "openai",
        "OPENAI_API_KEY": "none",
    }
    began = time.perf_counter()
    with python_process(UP, settings, is_ready=lambda: answers(port)) as server:
        results.add(what, OURS, "s", time.perf_counter() - began)
        if idle_s:
            time.sleep(idle_s)
            held = [process.memory_full_info() for process in _all_of(server.pid, data)]
            results.add("processes", OURS, "", len(held))
            results.add(SHARED, OURS, "MB", sum(each.rss for each in held) / 1e6)
            results.add(PROPORTIONAL, OURS, "MB", sum(each.pss for each in held) / 1e6)


def _all_of(pid: int, data: Path) -> Iterator[psutil.Process]:
    """The process and its PostgreSQL, which has another parent where it runs as another user."""
    [file] = data.rglob("postmaster.pid")
    found: dict[int, psutil.Process] = {}
    for root in (pid, int(file.read_text(encoding="ascii").split()[0])):
        process = psutil.Process(root)
        found |= {each.pid: each for each in (process, *process.children(recursive=True))}
    yield from found.values()


def _program(what: str, command: Sequence[str], results: Results) -> None:
    began = time.perf_counter()
    subprocess.run(
        command,
        env=clean_environment(Path.home()),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    results.add(what, OURS, "ms", (time.perf_counter() - began) * 1000)


if __name__ == "__main__":
    sys.exit(main())
