"""`tox -e soak`: what takes long. Claims beside millions of rows, growth, half an hour of memory, long tasks.

Each stage writes its report (JSON, Markdown) into benchmarks/reports/, and one that is done for this commit
is not run again: started again after an interruption, the soak goes on with the next stage.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks import soak_claim, soak_growth, soak_long, soak_memory, soak_workers  # noqa: E402
from benchmarks.machine import commit  # noqa: E402
from benchmarks.report import REPORTS, say  # noqa: E402
from benchmarks.soak_record import DIRTY, finished  # noqa: E402
from benchmarks.soak_stage import Stage  # noqa: E402
from benchmarks.windows import holding  # noqa: E402

#: The short ones first.
STAGES: Final = {
    module.STAGE.name: module.STAGE
    for module in (soak_long, soak_workers, soak_claim, soak_growth, soak_memory)
}


def main(arguments: list[str], stages: Mapping[str, Stage] = STAGES) -> int:
    """1 when something could not be measured. A target that is missed is in the report."""
    options = _options(arguments, stages)
    if options.nice:
        os.nice(options.nice)
    of = commit()
    if of.endswith(DIRTY):
        say("there are changes that are in no commit: no stage counts as done for them")
    codes = []
    for number, name in enumerate(options.stage or stages, 1):
        stage = stages[name]
        say(f"stage {number} of {len(options.stage or stages)}, {name}: {stage.what}")
        done = finished(REPORTS, stage.report_name, of, is_quick=options.quick)
        if done is not None and not options.again:
            say(f"{name}: done already for {of}, see {done.with_suffix('.md')} (--again)")
            continue
        codes.append(_run(stage, options))
    return max(codes, default=0)


def _run(stage: Stage, options: argparse.Namespace) -> int:
    report = stage.report(is_quick=options.quick)

    def window() -> AbstractContextManager[None]:
        return holding(options.lock)

    try:
        stage.measure(report, window)
    except Exception as error:  # noqa: BLE001  # what the report says; the stages after it go on
        report.miss(stage.name, error)
    except KeyboardInterrupt as error:
        report.miss(stage.name, RuntimeError("interrupted"))
        report.end()
        raise SystemExit(130) from error
    return report.end()


def _options(arguments: list[str], stages: Mapping[str, Stage]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/soak.py", description=__doc__)
    parser.add_argument(
        "--stage", action="append", choices=list(stages), help="this one alone; may be repeated"
    )
    parser.add_argument("--again", action="store_true", help="also what is done for this commit")
    parser.add_argument("--quick", action="store_true", help="each in seconds: does it run?")
    parser.add_argument(
        "--nice", type=int, default=0, help="lower the priority of everything that is started"
    )
    parser.add_argument(
        "--lock",
        type=Path,
        action="append",
        default=[],
        help="a file whose lock (flock) is held while something is measured; may be repeated",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
