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
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402
from benchmarks.targets import Target  # noqa: E402

from support.server_process import free_port  # noqa: E402

OURS: Final = "opspawn"
READY, READY_NEW = "ready again", "ready in a new folder"
HELP, IMPORT = "`opspawn --help`", "`import agentkit`"
SHARED, PROPORTIONAL = "memory of all processes, added up", "memory in all, shared pages once"

TARGETS: Final = (
    Target(SHARED, "≤", 200, (SHARED, OURS), unit="MB"),
    Target(PROPORTIONAL, "≤", 200, (PROPORTIONAL, OURS), unit="MB"),
    Target(READY, "≤", 3, (READY, OURS), unit="s"),
    Target(READY_NEW, "≤", 3, (READY_NEW, OURS), unit="s"),
    Target(HELP, "≤", 200, (HELP, OURS), unit="ms"),
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

#: What is done at the beginning is over, and what comes once in a while has come. Seconds.
IDLE_S: Final = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/footprint.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="two starts and twenty programs each")
    report = Report("footprint", parser.parse_args(), TARGETS)
    folder = open_folder()
    try:
        for number in range(1, report.options.rounds + 1):
            say(f"round {number} of {report.options.rounds}")
            _server(folder / str(number), READY_NEW, report.results)
            _server(folder / str(number), READY, report.results)
            for what, command in PROGRAMS.items():
                for _ in range(TIMES):
                    _program(what, command, report.results)
    finally:
        code = report.end()
    return code


def _server(data: Path, what: str, results: Results) -> None:
    """One start, and what it holds once it is idle."""
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
        if what == READY:
            time.sleep(IDLE_S)
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
