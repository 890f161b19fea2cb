"""What a worker runs: the run of each of its tasks, in one asyncio task of its own."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

import structlog

from ops_core.execute import Executor, cancelled_itself
from ops_core.moves import Move, release
from ops_core.ports import Lease, Orders, TaskHandler, WorkerStore
from ops_core.run import Run, Stop
from ops_core.task import Task
from ops_core.writer import StepWriter

log = structlog.get_logger(__name__)

Runs = dict["asyncio.Task[None]", Run]


class Running:
    """The runs of one worker. `ended` hears of each one that is over, and is not among them any more."""

    def __init__(
        self,
        store: WorkerStore,
        writer: StepWriter,
        handlers: Mapping[str, TaskHandler],
        ended: Callable[[Run], None],
    ) -> None:
        self._executor = Executor(store, writer, handlers, left=self._replace)
        self._ended = ended
        self._on_end = self._finished  # one for all runs: each access makes another
        self._runs: Runs = {}
        self._none_left = asyncio.Event()
        self._stops_at_step = False
        self._cancelled_themselves: set[Lease] = set()
        self.turnover = 0
        """How many have come and gone: while this is the same, so are they."""

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def leases(self) -> Iterator[Lease]:
        return (run.lease for run in self._runs.values())

    def now(self) -> Runs:
        """Those that are there now, to be told of later."""
        return self._runs.copy()

    def start(self, tasks: Iterable[Task]) -> None:
        """Runs them. Each that comes when all are to stop at their next step stops there, too."""
        for task in tasks:
            run = self._executor.open(task)
            if self._stops_at_step:
                run.stop_at_step()
            self._none_left.clear()
            self.turnover += 1
            self._follow(run, asyncio.create_task(self._executor.execute(run), name=task.task_id))

    def obey(self, orders: Orders, before: Runs) -> None:
        """Stops what is not owned any more, and what a client wants cancelled, of what ran `before` that was
        asked for."""
        for running, run in before.items():
            if running not in self._runs:
                continue
            if run.lease not in orders.owned:
                run.stop(Stop.LOST)
            elif run.task.task_id in orders.cancelled:
                run.stop(Stop.CANCELLED)

    def stop_at_step(self) -> None:
        """Stops each when its current step is on disk."""
        self._stops_at_step = True
        for run in self._runs.values():
            run.stop_at_step()

    def stop(self, why: Stop) -> None:
        for run in self._runs.values():
            run.stop(why)

    def cancel(self) -> None:
        """Stops them as they are, in the middle of being settled, too."""
        self.stop(Stop.LOST)
        for running in self._runs:
            running.cancel()

    def forgotten(self, lease: Lease) -> Move:
        """What is to become of a task that is owned and not run."""
        if lease not in self._cancelled_themselves:
            return release("claim_reply_lost")
        self._cancelled_themselves.discard(lease)
        return cancelled_itself()

    async def wait(self, at_most_s: float) -> None:
        """Returns when there are none, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                while self._runs:
                    await self._none_left.wait()

    def _follow(self, run: Run, running: "asyncio.Task[None]") -> None:
        self._runs[running] = run
        running.add_done_callback(self._on_end)

    def _replace(self, held: "asyncio.Task[None]", settling: "asyncio.Task[None]") -> None:
        """A handler does not end: its task is settled beside it, and its slot is free after that."""
        self._follow(self._runs.pop(held), settling)

    def _finished(self, done: "asyncio.Task[None]") -> None:
        run = self._runs.pop(done, None)
        if run is None:
            return  # a handler that held its task has ended after all
        self.turnover += 1
        if not self._runs:
            self._none_left.set()
        if done.cancelled():
            if run.stopped is None:  # nor does the worker end, or no heartbeat asks for it any more
                log.error("a handler cancelled its own task", task_id=run.task.task_id)
                self._cancelled_themselves.add(run.lease)
        elif (error := done.exception()) is not None:
            # Its task stays owned by us and not run: the heartbeat gives it back.
            log.error("run failed outside its handler", task_id=run.task.task_id, exc_info=error)
        self._ended(run)
