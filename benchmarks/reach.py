"""`make bench-throughput`: Opspawn beside its peers on the same services in one run, held to its targets.

Five durable steps, the step writer, latency of an idle system, submits a second and a thousand agents at
once; `embedded` is `opspawn up` by itself. Prints tables, writes JSON. What cannot be measured is named, and
the run ends with 1. `--help` shows the options.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks.peers.configurations import configurations  # noqa: E402  # needs the path
from benchmarks.reach_parts import PARTS, default_client  # noqa: E402
from benchmarks.reach_site import Site  # noqa: E402
from benchmarks.reach_targets import TARGETS  # noqa: E402
from benchmarks.report import Report, add_output, say  # noqa: E402


def main() -> int:
    options = _options()
    parts = options.only or list(PARTS)
    report = Report("throughput", options, [one for part in parts for one in TARGETS.get(part, ())])
    report.configurations |= configurations(parts)
    try:
        with ExitStack() as running:
            site = Site(running, report)
            for number in range(1, options.rounds + 1):
                for part in parts:
                    say(f"round {number} of {options.rounds}: {part}")
                    PARTS[part](site, report)
        if "agents" in parts:
            say("the default HTTP client")
            default_client(report)
    finally:
        code = report.end()
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/reach.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round: does it run?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--tasks", type=int, default=2000, help="of the quicker systems, in a round"
    )
    parser.add_argument("--samples", type=int, default=200, help="tasks, one at a time")
    parser.add_argument("--agents", type=int, default=1000, help="at once")
    parser.add_argument("--only", action="append", choices=list(PARTS))
    add_output(parser)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tasks, options.samples, options.agents = 1, 400, 40, 100
    return options


if __name__ == "__main__":
    sys.exit(main())
