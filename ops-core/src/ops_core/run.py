"""One claimed task being run: the log that its handler writes, and what can stop it.

The handler runs in the asyncio task that settles it afterwards. It can be stopped for a reason (`Stop`),
which then decides how the task is settled.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn

from ops_core.budgets.ledger import Settlement
from ops_core.errors import CancelRequested, TaskWaits
from ops_core.log import Event, EventType, NewEvent, storable
from ops_core.patience import when_back
from ops_core.ports import ChildEnd, Exchange, Lease, Purse, WorkerStore
from ops_core.purse import RunPurse, settled_event
from ops_core.task import NOTHING_USED, JsonObject, Task, Usage, Wait
from ops_core.writer import StepWriter

#: The `seq` of the first claim of a task that nothing happened to before.
FIRST_CLAIM_SEQ: Final = 2

#: How long a stopped handler may take to unwind before its task is settled without it. Seconds.
UNWIND_S: Final = 5.0

#: Shared, until the first step, by all runs: each `frozenset()` is one of its own, and takes 216 bytes.
_NOTHING: Final[frozenset[object]] = frozenset()


class Stop(StrEnum):
    """Why a run is stopped from outside."""

    CANCELLED = "cancelled"
    """A client asked for it."""

    DRAINED = "drained"
    """The worker is going away; the task is handed over."""

    LOST = "lost"
    """The task belongs to another epoch: nothing may be written any more."""

    DEADLINE = "deadline"
    """The task's own deadline passed."""


class RunStopped(Exception):
    """A run was stopped before its handler began."""


GiveUp = Callable[["Run", "asyncio.Task[None]"], None]
"""Is called for a run whose handler does not end, and with the asyncio task that it holds."""


def _wait_on(_: "Run", __: "asyncio.Task[None]") -> None:
    """A `GiveUp` that waits on."""


class Run:
    """One claimed task being run. It is the `TaskLog` that its handler sees."""

    # Thousands wait for models at once: what most of them never need is made when it is needed.
    __slots__ = (
        "_began_effects",
        "_claimed_s",
        "_give_up",
        "_inside",
        "_purse",
        "_stop_at_step",
        "_stopped",
        "_store",
        "_timer",
        "_under_way",
        "_waits",
        "_writer",
        "history",
        "lease",
        "purse",
        "task",
    )

    def __init__(
        self,
        task: Task,
        store: WorkerStore,
        writer: StepWriter,
        give_up: GiveUp = _wait_on,
    ) -> None:
        assert task.owner is not None, "only a claimed task can be run"
        self.task = task
        self.lease = Lease(task.tenant_id, task.task_id, task.owner, task.epoch)
        self.history: Sequence[Event] = ()
        self._store = store
        self._writer = writer
        self._give_up = give_up
        self._inside: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: Stop | None = None
        self._stop_at_step = False
        self._under_way = _NOTHING
        self._waits: tuple[Wait, ...] = ()
        # Of the runs before this one the log tells, when it is read.
        self._began_effects = task.last_seq > FIRST_CLAIM_SEQ
        self._claimed_s = time.monotonic()
        budget_ids = (*task.budget_ids, *task.tenant_budget_ids)
        self._purse = RunPurse(store, self.lease, budget_ids, self.append) if budget_ids else None
        self.purse: Purse | None = self._purse

    @property
    def waits(self) -> Sequence[Wait]:
        """What its handler has said that the task waits for."""
        return self._waits

    async def append(self, *events: NewEvent, usage: Usage = NOTHING_USED) -> None:
        opened = {_path(event) for event in events if event.type is EventType.TOOL_DISPATCHED}
        if opened:  # an intent without its effect would be a question to a person
            await self._stop_if_asked()
            self._began_effects = True
        settles = self._settlement(events, usage)
        told = [_storable(event) for event in events]
        told += [settled_event(settles)] if settles else []
        try:
            await self._writer.append(self.lease, told, usage, settles)
        except CancelRequested:  # sooner than the heartbeat would tell
            self.stop(Stop.CANCELLED)
            await asyncio.Event().wait()  # the cancellation arrives here
        self._under_way |= opened
        if not opened:
            self._under_way -= {_path(event) for event in events}
            await self._stop_if_asked()

    def _settlement(self, events: Sequence[NewEvent], usage: Usage) -> Settlement | None:
        """What the budgets are charged with a finished step, or for a model that misbehaved."""
        if self._purse is None:
            return None
        finished = next((event for event in events if event.finishes_step), None)
        if finished is not None:
            return self._purse.settlement(str(_path(finished)), usage)
        # A reply that leads nowhere finishes no step, and is paid for.
        path = events[0].data.get("path") if usage != NOTHING_USED else None
        return self._purse.settlement(str(path), usage) if path else None

    async def read(self) -> Sequence[Event]:
        return await when_back(lambda: self._store.history(self.lease))

    async def children(self, task_ids: Sequence[str]) -> list[ChildEnd]:
        return await when_back(lambda: self._store.children(self.lease, task_ids))

    async def definitions(
        self, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        return await when_back(lambda: self._store.definitions(self.lease.tenant_id, versions))

    async def earlier(self, limit: int) -> list[Exchange]:
        return await when_back(lambda: self._store.earlier(self.lease, limit))

    def now(self) -> datetime:
        # The claim's time is the database's; only what has passed since is measured here.
        return self.task.updated_at + timedelta(seconds=time.monotonic() - self._claimed_s)

    def suspend(self, wait: Wait) -> NoReturn:
        self._waits += (replace(wait, detail=storable(wait.detail)),)
        raise TaskWaits

    async def _stop_if_asked(self) -> None:
        """Between two steps: waits to be stopped, once no effect of a parallel branch is under way."""
        if self._stop_at_step:
            if not self._under_way:
                self.stop(Stop.DRAINED)
            await asyncio.Event().wait()  # the cancellation arrives here

    def stop(self, why: Stop) -> None:
        """Stops the handler now. The first reason wins, except that a lost task is always lost."""
        is_first = self._stopped is None
        if is_first or why is Stop.LOST:
            self._stopped = why
        if is_first and self._inside is not None:  # once: a second one would break its cleaning up
            self._inside.cancel()
            # A tool that swallows its cancellation must not hold its task: fencing keeps it harmless.
            asyncio.get_running_loop().call_later(UNWIND_S, self._give_it_up)

    def stop_at_step(self) -> None:
        """Stops the handler when its current step is on disk, so that nothing paid for is paid again."""
        self._stop_at_step = True

    @property
    def stopped(self) -> Stop | None:
        return self._stopped

    @property
    def in_doubt(self) -> bool:
        """Whether a call of it may have happened without the log telling so."""
        return self._began_effects or self._inside is not None

    async def begin(self) -> None:
        """Reads what was recorded by the runs before this one. Raises `LostOwnership`."""
        if self.task.last_seq > FIRST_CLAIM_SEQ:  # else there is nothing to replay
            self.history = await self.read()
            begun = (event.type == EventType.TOOL_DISPATCHED for event in self.history)
            self._began_effects = any(begun)

    def enter(self) -> None:
        """The handler begins, in the asyncio task that says so: to stop the run is to cancel that one.

        Raises `RunStopped`.
        """
        if self._stopped is not None:
            raise RunStopped
        self._inside = asyncio.current_task()
        if self.task.deadline_at is not None:
            # Both times are the database's, so this worker's own clock does not matter.
            left_s = (self.task.deadline_at - self.task.updated_at).total_seconds()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(left_s, self.stop, Stop.DEADLINE)

    def leave(self) -> None:
        """The handler has ended: from now on nothing cancels its task but what ends its worker."""
        if self._timer is not None:
            self._timer.cancel()
        if self._stopped is not None and self._inside is not None:
            self._inside.uncancel()
        self._inside = None

    def _give_it_up(self) -> None:
        if self._inside is not None:
            self._give_up(self, self._inside)


def _path(event: NewEvent) -> object:
    """Which step of the program an event belongs to; None for one that belongs to none."""
    return (event.journal or {}).get("path")


def _storable(event: NewEvent) -> NewEvent:
    return NewEvent(
        type=event.type, v=event.v, data=storable(event.data), journal=storable(event.journal)
    )
