"""The `opspawn` command with two more task types, for workers that do nothing else.

Every process is put together by `opspawn.bootstrap` as always. Only the task types of the doors are added
to, and the worker's handlers are replaced: a benchmark of a durable no-op must not run a model.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from benchmarks.starts import Reporter
from dramatiq import Broker

from agentkit import ChromaLongTermMemory
from ops_core.log import EventType, NewEvent
from ops_core.ports import Bell, TaskLog, TaskType, WorkerStore
from ops_core.queue.isolation import Isolate
from ops_core.queue.worker import Worker
from ops_core.streams.signals import Signals
from ops_core.task import JsonObject, Task
from opspawn import cli
from opspawn.agents.contract import TASK_TYPES
from opspawn.agents.handler import Submit
from opspawn.settings import Settings

NOOP: Final = TaskType(name="noop", input_schema={"type": "object"})
FIVE_STEPS: Final = TaskType(name="five_steps", input_schema={"type": "object"})

STEPS: Final = 5


class NoopHandler:
    """Returns at once."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        self._reporter.started()
        return {}


class StepsHandler:
    """Journals five steps, each on disk before the next, and returns."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        self._reporter.started()
        for step in range(STEPS):
            event = NewEvent(
                type=EventType.TOOL_COMPLETED, data={"step": step}, journal={"value": None}
            )
            await log.append(event)
        return {}


async def run_noops(  # noqa: PLR0913  the signature is that of run_worker
    settings: Settings,
    store: WorkerStore,
    broker: Broker,
    bell: Bell,
    submit: Submit,  # noqa: ARG001
    stop: asyncio.Event,
    *,
    isolate: Isolate | None,
    started: Callable[[], None] = lambda: None,
    signals: Signals | None = None,  # noqa: ARG001
    memory: ChromaLongTermMemory | None = None,  # noqa: ARG001
) -> None:
    """Stands in for `opspawn.worker.run_worker`: the same worker with the same settings."""
    reporter = Reporter()
    worker = Worker(
        store,
        broker,
        bell,
        {NOOP.name: NoopHandler(reporter), FIVE_STEPS.name: StepsHandler(reporter)},
        queues=settings.queues,
        slots=settings.worker_slots,
        heartbeat_s=settings.heartbeat_s,
        drain_grace_s=settings.drain_grace_s,
        isolate=isolate,
    )
    started()
    await worker.run(stop)


def main() -> None:
    TASK_TYPES.update({kind.name: kind for kind in (NOOP, FIVE_STEPS)})
    if sys.argv[1] in {"up", "worker"}:
        import opspawn.worker  # not in the other processes, which never import agents

        opspawn.worker.run_worker = run_noops
    cli.main()


if __name__ == "__main__":
    main()
