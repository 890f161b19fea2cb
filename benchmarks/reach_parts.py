"""One round of each part of `reach.py`. What cannot be measured is missed by name, and the others go on."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import uvloop
from benchmarks import reach_agents, reach_doors, reach_latency, reach_writer
from benchmarks import reach_steps as steps
from benchmarks.idle import warm_up
from benchmarks.peers.environment import DURABLE, QUEUES
from benchmarks.peers.programs import measured
from benchmarks.peers.restate import RUN
from benchmarks.reach_site import Site
from benchmarks.report import Report
from benchmarks.results import Results
from benchmarks.systems import embedded


def _steps(site: Site, report: Report) -> None:
    tasks, results = report.options.tasks, report.results
    report.attempt(steps.OURS, lambda: _run(steps.opspawn(site.opspawn, tasks, results)))
    if (port := site.restate_port) is not None:
        report.attempt(steps.RESTATE, lambda: _run(steps.restate(port, RUN, tasks, results)))
    for system, share, in_flight in (
        (steps.LANGGRAPH, 4, steps.LANGGRAPH_IN_FLIGHT),
        (steps.DBOS, 8, steps.DBOS_IN_FLIGHT),
    ):
        report.attempt(system, lambda: _program(site, report, system, tasks // share, in_flight))  # noqa: B023
    report.attempt(steps.DRAMATIQ, lambda: _dramatiq(site, report))
    for queue in steps.QUEUES:
        report.attempt(queue, lambda: _queue(site, report, queue))  # noqa: B023


def _program(site: Site, report: Report, system: str, tasks: int, in_flight: int) -> None:
    """A peer in its own process, with a database of its own."""
    url, samples = site.databases.create(migrated=False), report.options.samples // 4
    try:
        found = measured(DURABLE, f"{system}_steps", url, tasks, in_flight, samples)
    finally:
        site.databases.drop(url)
    report.results.add(steps.STEPS, system, "tasks/s", found.tasks_per_s)
    report.results.add_percentiles(steps.DONE, system, found.took_s)


def _queue(site: Site, report: Report, system: str) -> None:
    """A queue that keeps nothing, its sender and its worker in processes of their own."""
    tasks, samples = report.options.tasks, report.options.samples // 2
    found = measured(QUEUES, f"{system}_noop", site.rabbitmq_url, tasks, samples)
    report.results.add(steps.NOOP, system, "tasks/s", found.tasks_per_s)
    report.results.add_percentiles(reach_latency.FIRST_STEP, system, found.took_s)


def _dramatiq(site: Site, report: Report) -> None:
    rate = asyncio.run(site.dramatiq.drained(2 * report.options.tasks, "install_async"))
    report.results.add(steps.NOOP, steps.DRAMATIQ, "tasks/s", rate)


def _writer(site: Site, report: Report) -> None:
    url = site.databases.create()
    try:
        writing = reach_writer.measure(url, 10 * report.options.tasks, report.results)
        report.attempt(reach_writer.GUARDED, lambda: _run(writing))
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

    report.attempt(steps.OURS, lambda: _run(reach_latency.opspawn(site.opspawn, samples, results)))
    if (port := site.restate_port) is not None:
        report.attempt(steps.RESTATE, lambda: restated(port))
    report.attempt(steps.DRAMATIQ, pickups)


def _doors(site: Site, report: Report) -> None:
    def accepted() -> None:
        with reach_doors.all_doors(site.databases, site.rabbitmq_url) as doors:
            _run(reach_doors.measure(doors, 200, Results()))  # warms up
            _run(reach_doors.measure(doors, 2 * report.options.tasks, report.results))
            _run(reach_latency.events(doors, report.options.samples // 2, report.results))

    def sends() -> None:
        rate = site.dramatiq.sends(report.options.tasks)
        report.results.add(reach_doors.SENDS, steps.DRAMATIQ, "messages/s", rate)

    report.attempt(reach_doors.REST, accepted)
    report.attempt(reach_doors.SENDS, sends)


def _agents(_site: Site, report: Report) -> None:
    report.attempt(
        reach_agents.OURS,
        lambda: reach_agents.measure(report.options.agents, report.results),
    )


def default_client(report: Report) -> None:
    """Once in a run, after all rounds."""
    agents, results = report.options.agents, report.results
    report.attempt(reach_agents.BARE, lambda: reach_agents.measure_default(agents, results))


def _embedded(site: Site, report: Report) -> None:
    """`opspawn up` with a PostgreSQL of its own, started for its turn."""
    tasks, samples, results = report.options.tasks, report.options.samples, report.results
    with embedded(site.starts) as system:
        asyncio.run(warm_up(system))
        _run(steps.opspawn(system, tasks, results, of=steps.EMBEDDED))
        _run(reach_latency.opspawn(system, samples, results, of=steps.EMBEDDED))


PARTS: Final[Mapping[str, Callable[[Site, Report], None]]] = {
    "steps": _steps,
    "writer": _writer,
    "latency": _latency,
    "doors": _doors,
    "agents": _agents,
    "embedded": _embedded,
}


def _run(measuring: Coroutine[Any, Any, None]) -> None:
    uvloop.run(measuring)
