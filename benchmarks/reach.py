"""`make bench-throughput`: Opspawn beside its peers on the same services in one run, held to its targets.

Five durable steps, latency of an idle system, submits a second and a thousand agents at once. Prints tables,
writes JSON. What cannot be measured is named, and the run ends with 1. `--help` shows the options.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

from benchmarks import latency, reach_agents, reach_doors, reach_latency, reach_writer  # noqa: E402  # needs the path
from benchmarks import reach_steps as steps  # noqa: E402
from benchmarks.dramatiq_peer import DramatiqPeer  # noqa: E402
from benchmarks.flood import Refused  # noqa: E402
from benchmarks.machine import postgres_facts, rabbitmq_facts  # noqa: E402
from benchmarks.peers.environment import PeerUnavailable  # noqa: E402
from benchmarks.peers.programs import measured  # noqa: E402
from benchmarks.peers.restate import RUN, restate  # noqa: E402
from benchmarks.reach_targets import TARGETS  # noqa: E402
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402
from benchmarks.starts import starts  # noqa: E402
from benchmarks.systems import Opspawn, on_servers  # noqa: E402

from support.databases import Databases  # noqa: E402
from support.local_servers import local_postgres, local_rabbitmq  # noqa: E402

#: What says that a row cannot be had; anything else is a defect of the run.
MISSING: Final = (PeerUnavailable, Refused, TimeoutError, ConnectionError, AssertionError)

PARTS: Final = ("steps", "writer", "latency", "doors", "agents")


@dataclass(slots=True)
class Site:
    """The services, and what stands ready on them. A peer that could not be started is None."""

    databases: Databases
    rabbitmq_url: str
    opspawn: Opspawn
    dramatiq: DramatiqPeer
    restate_port: int | None


def main() -> int:
    options = _options()
    report = Report("throughput", options, TARGETS)
    try:
        with _site(report) as site:
            for number in range(1, options.rounds + 1):
                for part in options.only or PARTS:
                    say(f"round {number} of {options.rounds}: {part}")
                    _MEASURE[part](site, report)
        if not options.only or "agents" in options.only:
            say("the default HTTP client")
            _try(report, reach_agents.BARE, lambda: _default_client(report))
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
    parser.add_argument("--only", action="append", choices=PARTS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tasks, options.samples, options.agents = 1, 400, 40, 100
    return options


@contextmanager
def _site(report: Report) -> Iterator[Site]:
    with ExitStack() as running:
        pipe = running.enter_context(starts())
        rabbitmq = running.enter_context(local_rabbitmq(say))
        postgres = running.enter_context(local_postgres(say))
        databases = Databases(postgres.url)
        running.callback(databases.close)
        opspawn = running.enter_context(on_servers(pipe, databases, rabbitmq.url))
        peer = DramatiqPeer(rabbitmq.url, pipe)
        running.callback(peer.close)
        asyncio.run(latency.warm_up(opspawn))
        report.machine |= rabbitmq_facts(rabbitmq.url)
        report.machine |= asyncio.run(postgres_facts("all", opspawn.database_url))
        try:
            port = running.enter_context(restate())
            uvloop.run(steps.restate_idle(port, RUN, 20))
        except MISSING as error:
            report.miss(steps.RESTATE, error)
            port = None
        yield Site(databases, rabbitmq.url, opspawn, peer, port)


def _steps(site: Site, report: Report) -> None:
    tasks, results = report.options.tasks, report.results
    _try(report, steps.OURS, lambda: _run(steps.opspawn(site.opspawn, tasks, results)))
    if (port := site.restate_port) is not None:
        _try(report, steps.RESTATE, lambda: _run(steps.restate(port, RUN, tasks, results)))
    for system, share, in_flight in (
        (steps.LANGGRAPH, 4, steps.LANGGRAPH_IN_FLIGHT),
        (steps.DBOS, 8, steps.DBOS_IN_FLIGHT),
    ):
        _try(report, system, lambda: _program(site, report, system, tasks // share, in_flight))  # noqa: B023
    _try(report, steps.DRAMATIQ, lambda: _dramatiq(site, report))


def _program(site: Site, report: Report, system: str, tasks: int, in_flight: int) -> None:
    """A peer in its own process, with a database of its own."""
    url = site.databases.create(migrated=False)
    try:
        found = measured(f"{system}_steps", url, tasks, in_flight, report.options.samples // 4)
    finally:
        site.databases.drop(url)
    report.results.add(steps.STEPS, system, "tasks/s", found.tasks_per_s)
    report.results.add_percentiles(steps.DONE, system, found.took_s)


def _dramatiq(site: Site, report: Report) -> None:
    rate = asyncio.run(site.dramatiq.drained(2 * report.options.tasks, "install_async"))
    report.results.add(steps.NOOP, steps.DRAMATIQ, "tasks/s", rate)


def _writer(site: Site, report: Report) -> None:
    url = site.databases.create()
    try:
        _try(
            report,
            reach_writer.GUARDED,
            lambda: _run(reach_writer.measure(url, 10 * report.options.tasks, report.results)),
        )
    finally:
        site.databases.drop(url)


def _latency(site: Site, report: Report) -> None:
    samples, results = report.options.samples, report.results

    def pickups() -> None:
        found = asyncio.run(site.dramatiq.pickups(samples))
        results.add_percentiles(reach_latency.FIRST_STEP, steps.DRAMATIQ, found)

    def restated(port: int) -> None:
        found = uvloop.run(steps.restate_idle(port, RUN, samples))
        results.add_percentiles(steps.DONE, steps.RESTATE, found.took_s)

    _try(report, steps.OURS, lambda: _run(reach_latency.opspawn(site.opspawn, samples, results)))
    if (port := site.restate_port) is not None:
        _try(report, steps.RESTATE, lambda: restated(port))
    _try(report, steps.DRAMATIQ, pickups)


def _doors(site: Site, report: Report) -> None:
    def accepted() -> None:
        with reach_doors.all_doors(site.databases, site.rabbitmq_url) as doors:
            _run(reach_doors.measure(doors, 200, Results()))  # warms up
            _run(reach_doors.measure(doors, 2 * report.options.tasks, report.results))
            _run(reach_latency.events(doors, report.options.samples // 2, report.results))

    def sends() -> None:
        rate = site.dramatiq.sends(report.options.tasks)
        report.results.add(reach_doors.SENDS, steps.DRAMATIQ, "messages/s", rate)

    _try(report, reach_doors.REST, accepted)
    _try(report, reach_doors.SENDS, sends)


def _agents(_site: Site, report: Report) -> None:
    _try(
        report,
        reach_agents.OURS,
        lambda: reach_agents.measure(report.options.agents, report.results),
    )


def _default_client(report: Report) -> None:
    reach_agents.measure_default(report.options.agents, report.results)


_MEASURE: Final[dict[str, Callable[[Site, Report], None]]] = {
    "steps": _steps,
    "writer": _writer,
    "latency": _latency,
    "doors": _doors,
    "agents": _agents,
}


def _try(report: Report, what: str, measure: Callable[[], None]) -> None:
    try:
        measure()
    except MISSING as error:
        report.miss(what, error)


def _run(measuring: Coroutine[Any, Any, None]) -> None:
    uvloop.run(measuring)


if __name__ == "__main__":
    sys.exit(main())
