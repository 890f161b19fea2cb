"""`make bench`: what Opspawn is held to, measured beside its peers in one run, and one table at its end.

Runs the parts one after another, each a program of its own (`bench_parts.py`), and says what runs and how
long it still takes. Writes JSON and Markdown. Ends with 1 when something could not be measured. `--help`
shows the options.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.bench_parts import PARTS, Part  # noqa: E402  # needs the path
from benchmarks.bench_report import Whole  # noqa: E402
from benchmarks.countdown import Countdown, spoken  # noqa: E402
from benchmarks.report import add_output, say  # noqa: E402
from benchmarks.windows import holding  # noqa: E402

INTERRUPTED: Final = 130

#: What a part that is told to stop may take to stop its servers. Seconds.
STOP_S: Final = 60.0


def main(arguments: Sequence[str]) -> int:
    """The exit code. What was measured before an interruption is shown and written all the same."""
    options = _options(arguments)
    parts = [part for part in PARTS if part.name in (options.only or (part.name,))]
    whole = Whole(options, parts)
    try:
        with _stopped_by_signals():
            _run_all(parts, options, whole)
    except KeyboardInterrupt:
        say("interrupted; everything that was started is stopped")
        whole.end()
        return INTERRUPTED
    return whole.end()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/bench.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each part; five take 20 minutes")
    parser.add_argument("--quick", action="store_true", help="one small round: does it run?")
    parser.add_argument(
        "--only",
        action="append",
        choices=[part.name for part in PARTS],
        help="this part alone; may be repeated",
    )
    parser.add_argument(
        "--lock",
        type=Path,
        action="append",
        default=[],
        help="a file whose lock (flock) is held while a part runs; may be repeated",
    )
    add_output(parser)
    return parser.parse_args(arguments)


def _run_all(parts: Sequence[Part], options: argparse.Namespace, whole: Whole) -> None:
    rounds = 1 if options.quick else options.rounds
    left = Countdown([part.expected_s(rounds) for part in parts])
    say(f"{len(parts)} parts, {rounds} rounds each: about {spoken(left.left_s())}")
    for number, part in enumerate(parts, 1):
        with holding(options.lock):
            left.begin()
            running = Running(part, f"{number}/{len(parts)} {part.name}", left)
            say(f"{running.title}: {part.what}")
            whole.took(part, _run(running, options))
            left.end()


@dataclass(frozen=True, slots=True)
class Running:
    """The part whose turn it is."""

    part: Part
    title: str
    left: Countdown


def _run(running: Running, options: argparse.Namespace) -> dict[str, Any] | str:
    """Its report, or what it said last where it left none."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder:
        script, *words = running.part.command
        command = [sys.executable, str(Path(__file__).parent / script), *words]
        command += ["--quick"] if options.quick else ["--rounds", str(options.rounds)]
        code, said = _told([*command, "--output", folder], running)
        for file in Path(folder).glob("*.json"):
            report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            # It failed, and has written what it had until then.
            if code and not report["not_measured"]:
                report["not_measured"] = {running.part.name: said}
            return report
    return said


def _told(command: Sequence[str], running: Running) -> tuple[int, str]:
    """Runs it, passes on what it says, each with the time that is left. Its exit code, and what it said last.

    Interrupted: it is interrupted too, once, and stops what it has started.
    """
    last = "it ended without a word"
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,  # its tables come again in the one at the end
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,  # a terminal's Ctrl-C would reach it as well, in the midst of its stopping
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                last = line.strip() or last
                if line.startswith("→") and "written:" not in line:
                    left = spoken(running.left.left_s())
                    say(f"{running.title}, about {left} left: {line[1:].strip()}")
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)
            raise
    return process.returncode, last


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGINT even where a shell ignores it, end the run through all that stops processes."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
