"""The figures as Prometheus reads them. docs/reference/metrics.md has them all; a test compares the two."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from ops_core.fleet import WorkerState
from ops_core.metrics.port import Figures, QueueFigures
from ops_core.metrics.tally import BOUNDS_S, Tally

#: The bounds as Prometheus writes them; the last one is infinite.
_BOUNDS: Final = [*map(str, BOUNDS_S), "+Inf"]


def of_rest(tally: Tally) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "opspawn_http_requests",
        "Requests answered by this process.",
        labels=["method", "route", "status"],
    )
    for kind, count in list(tally.outcomes.items()):
        requests.add_metric(kind, count)
    yield requests
    yield _durations(
        "opspawn_http_request_duration_seconds", "Until an answer began.", "route", tally
    )


def of_rpc(tally: Tally) -> Iterator[Metric]:
    calls = CounterMetricFamily(
        "opspawn_grpc_calls", "gRPC calls ended by this process.", labels=["method", "code"]
    )
    for (method, _, code), count in list(tally.outcomes.items()):
        calls.add_metric([method, code], count)
    yield calls
    yield _durations(
        "opspawn_grpc_call_duration_seconds", "Of calls that are no streams.", "", tally
    )


def of_store(figures: Figures | None) -> Iterator[Metric]:
    """Nothing but that it is away, when it is."""
    yield _one(
        "opspawn_store_up", "Whether the database has told the figures.", figures is not None
    )
    if figures is None:
        return
    yield from _of_queues(figures.queues)
    workers = GaugeMetricFamily("opspawn_workers", "Workers.", labels=["state"])
    for state in WorkerState:
        workers.add_metric([state.value], figures.workers.get(state, 0))
    yield workers
    yield _one("opspawn_dead_letters", "Tasks for an operator to look at.", figures.dead_letters)
    yield _one("opspawn_ends_waiting", "Ends not told to others yet.", figures.ends_waiting)
    yield _one(
        "opspawn_webhook_deliveries_waiting", "Deliveries to make.", figures.deliveries_waiting
    )
    yield _one(
        "opspawn_webhook_oldest_due_seconds",
        "How long a delivery has been due.",
        figures.oldest_delivery_s,
    )


def of_process(version: str, streams: int) -> Iterator[Metric]:
    build = GaugeMetricFamily("opspawn_build_info", "Always 1.", labels=["version"])
    build.add_metric([version], 1)
    yield build
    yield _one("opspawn_streams_open", "Streams that this process serves.", streams)


def _of_queues(queues: Mapping[str, QueueFigures]) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("opspawn_tasks", "Unfinished tasks.", labels=["queue", "status"])
    oldest = GaugeMetricFamily(
        "opspawn_oldest_due_task_seconds", "How long a task has been due.", labels=["queue"]
    )
    slots = GaugeMetricFamily("opspawn_slots", "Slots of live workers.", labels=["queue"])
    free = GaugeMetricFamily("opspawn_slots_free", "Those without a task.", labels=["queue"])
    for name, queue in queues.items():
        for status, count in queue.tasks.items():
            tasks.add_metric([name, status.value], count)
        oldest.add_metric([name], queue.oldest_due_s)
        slots.add_metric([name], queue.slots)
        free.add_metric([name], queue.free_slots)
    yield from (tasks, oldest, slots, free)


def _durations(name: str, told: str, route: str, tally: Tally) -> HistogramMetricFamily:
    """`route`: the label of that name, if there is one."""
    labels = ["method", route] if route else ["method"]
    family = HistogramMetricFamily(name, told, labels=labels)
    for kind, durations in list(tally.durations.items()):
        buckets = list(zip(_BOUNDS, accumulate(durations.counts), strict=True))
        family.add_metric(kind[: len(labels)], buckets=buckets, sum_value=durations.sum_s)
    return family


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)
