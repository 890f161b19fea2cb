"""`make bench-reliability`: how soon faults are healed, and what durability costs: a table, and JSON.

Figures of docs/reliability.md. `--help` shows the options.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks import recovery, step_cost  # noqa: E402  # needs the path
from benchmarks.held_model import HeldModel  # noqa: E402
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results, percentile  # noqa: E402

from opspawn import migrate  # noqa: E402
from support.local_servers import local_postgres, local_rabbitmq  # noqa: E402
from support.opspawn_processes import Rest, processes  # noqa: E402
from support.server_process import free_port  # noqa: E402

SERVERS = "servers"
EMBEDDED = "embedded"


def main() -> int:
    options = _options()
    report = Report("reliability", options)
    results = report.results
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        postgres = stack.enter_context(local_postgres(say))
        rabbitmq = stack.enter_context(local_rabbitmq(say))
        migrate.upgrade(postgres.url)
        _steps(postgres.url, options.steps, results)
        with recovery.site(folder, postgres, rabbitmq, workers=3) as stage:
            _faults(stage, options, results)
            _broker(stage, options.submits, results)
        _embedded(folder / "embedded", options.cancels, results)
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/reliability.py", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="workers killed")
    parser.add_argument("--freezes", type=int, default=5, help="workers frozen (11 s each)")
    parser.add_argument("--cancels", type=int, default=150, help="tasks cancelled, in each system")
    parser.add_argument(
        "--submits", type=int, default=300, help="submits in each state of the broker"
    )
    parser.add_argument("--steps", type=int, default=500, help="durable steps of a lone agent")
    return parser.parse_args()


def _faults(stage: recovery.Site, options: argparse.Namespace, results: Results) -> None:
    say(f"{options.kills} workers killed")
    killed = recovery.after_kill(stage, options.kills)
    _add(results, "kill -9 of a worker → next step on another", SERVERS, killed)
    say(f"{options.freezes} workers frozen (time-to-live 10 s)")
    frozen = recovery.after_freeze(stage, options.freezes)
    _add(results, "a worker freezes → next step on another", SERVERS, frozen)
    say(f"{options.cancels} cancels")
    cancelled = recovery.cancels(stage.rest, stage.model, options.cancels, _anywhere)
    _add(results, "cancel → model call closed", SERVERS, cancelled)


def _steps(url: str, count: int, results: Results) -> None:
    for effect in ("pure", "unsafe"):
        say(f"{count} {effect} steps of a lone agent")
        trips = asyncio.run(step_cost.round_trips(url, 50, effect))
        results.add(f"round trips for a {effect} step", SERVERS, "", trips)
        results.add_percentiles(
            f"added by a {effect} step", SERVERS, asyncio.run(step_cost.run(url, count, effect))
        )


def _broker(stage: recovery.Site, count: int, results: Results) -> None:
    stage.model.held_step = None
    for name, fault, heal in (
        ("submit", _nothing, _nothing),
        ("submit, broker frozen", stage.rabbitmq.freeze, stage.rabbitmq.thaw),
        ("submit, broker killed", stage.rabbitmq.kill, stage.rabbitmq.start),
        ("submit, again", _nothing, _nothing),
    ):
        recovery.idle(stage.rest)
        say(f"{count} times: {name}")
        fault()
        results.add_percentiles(name, SERVERS, recovery.submits(stage.rest, count))
        heal()
    normal = results.get("submit, p99", SERVERS)
    for name in ("submit, broker frozen", "submit, broker killed"):
        row = results.get(f"{name}, p99", SERVERS)
        assert normal is not None
        assert row is not None
        results.add(
            f"{name}: p99 as a multiple of normal", SERVERS, "×", row.values[0] / normal.values[0]
        )


def _embedded(folder: Path, count: int, results: Results) -> None:
    folder.mkdir()
    port = free_port()
    with HeldModel().running() as model:
        assert isinstance(model, HeldModel)
        settings = {
            "OPSPAWN_API_PORT": str(port),
            "OPSPAWN_GRPC_PORT": "0",
            "OPSPAWN_DATA_DIR": str(folder / "data"),
            **model.environment,
        }
        with processes(folder, settings) as started:
            rest = Rest(port)
            rest.ready(started.start("up"))
            say(f"{count} cancels in one process")
            _add(
                results,
                "cancel → model call closed",
                EMBEDDED,
                recovery.cancels(rest, model, count, _anywhere),
            )
            model.held_step = None
            rest.close()


def _add(results: Results, name: str, system: str, seconds: list[float]) -> None:
    results.add_percentiles(name, system, seconds)
    results.add(f"{name}, worst of {len(seconds)}", system, "ms", percentile(seconds, 100) * 1000)


def _anywhere() -> float:
    """Somewhere between two heartbeats."""
    return random.uniform(0, 0.3)  # noqa: S311


def _nothing() -> None:
    """A broker that is left alone."""


if __name__ == "__main__":
    sys.exit(main())
