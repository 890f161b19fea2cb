"""Runs one claimed task, from its claim to the move that settles it.

The handler runs in an asyncio task of its own, so that it can be stopped for a reason (`Stop`) that then
decides how the task is settled. The steps of a run, in order: read the log, run the handler, decide the
move, settle.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NoReturn, TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from ops_core.budgets.ledger import Settlement
from ops_core.endings import EndWriter
from ops_core.errors import (
    CancelRequested,
    InvalidRequest,
    LostOwnership,
    StoreUnavailable,
    TaskFailed,
    TaskWaits,
)
from ops_core.log import Event, EventType, NewEvent, storable
from ops_core.moves import Move, cancel, complete, deadline_exceeded, fail, release, retry, wait
from ops_core.ports import ChildEnd, Exchange, Lease, Purse, TaskHandler, WorkerStore
from ops_core.purse import RunPurse, settled_event
from ops_core.request import check_json
from ops_core.task import (
    NOTHING_USED,
    REASONS,
    TERMINAL,
    JsonObject,
    Reason,
    Status,
    Task,
    TaskError,
    Usage,
    Wait,
)
from ops_core.writer import StepWriter

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: The longest rest that a provider's Retry-After can ask for. Seconds; a day.
LONGEST_REST_S: Final = 86_400.0

#: The `seq` of the first claim of a task that nothing happened to before.
FIRST_CLAIM_SEQ: Final = 2

#: How long a stopped handler may take to unwind before its task is settled without it. Seconds.
UNWIND_S: Final = 5.0


#: What a result is refused with that no store could keep.
_BAD_RESULT: Final = (InvalidRequest, TypeError, ValueError, RecursionError)


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
    """The handler ended by a cancellation: ours, when the run says why it was stopped, or its own."""


class Run:
    """One claimed task being run. It is the `TaskLog` that its handler sees."""

    __slots__ = (
        "_began_effects",
        "_claimed_s",
        "_handler",
        "_over",
        "_purse",
        "_stop_at_step",
        "_stopped",
        "_store",
        "_under_way",
        "_writer",
        "history",
        "lease",
        "purse",
        "task",
        "waits",
    )

    def __init__(self, task: Task, store: WorkerStore, writer: StepWriter) -> None:
        assert task.owner is not None, "only a claimed task can be run"
        self.task = task
        self.lease = Lease(task.tenant_id, task.task_id, task.owner, task.epoch)
        self.history: Sequence[Event] = ()
        self._store = store
        self._writer = writer
        self._stopped: Stop | None = None
        self._stop_at_step = False
        self._under_way: set[object] = set()
        # Of the runs before this one the log tells, when it is read.
        self._began_effects = task.last_seq > FIRST_CLAIM_SEQ
        self._claimed_s = time.monotonic()
        self.waits: list[Wait] = []
        self._handler: asyncio.Task[JsonObject] | None = None
        self._over: asyncio.Future[None] | None = None
        budget_ids = (*task.budget_ids, *task.tenant_budget_ids)
        self.purse: Purse | None = None
        self._purse: RunPurse | None = None
        if budget_ids:
            self.purse = self._purse = RunPurse(store, self.lease, budget_ids, self.append)

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
        self.waits.append(replace(wait, detail=storable(wait.detail)))
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
        if is_first and self._handler is not None:  # once: a second one would break its cleaning up
            self._handler.cancel()
            # A tool that swallows its cancellation must not hold its task: fencing keeps it harmless.
            asyncio.get_running_loop().call_later(UNWIND_S, self._is_over)

    def stop_at_step(self) -> None:
        """Stops the handler when its current step is on disk, so that nothing paid for is paid again."""
        self._stop_at_step = True

    @property
    def stopped(self) -> Stop | None:
        return self._stopped

    @property
    def in_doubt(self) -> bool:
        """Whether a call of it may have happened without the log telling so."""
        is_over = self._handler is None or self._handler.done()
        return self._began_effects or not is_over

    async def result(self, handler: TaskHandler) -> JsonObject:
        """The handler's result. Raises what the handler raises, and `RunStopped` when it was stopped."""
        if self.task.last_seq > FIRST_CLAIM_SEQ:  # else there is nothing to replay
            self.history = await self.read()
            begun = (event.type == EventType.TOOL_DISPATCHED for event in self.history)
            self._began_effects = any(begun)
        if self.stopped is not None:
            raise RunStopped
        # Not an event: ten thousand of them would take ten megabytes to wait.
        self._over = asyncio.get_running_loop().create_future()
        self._handler = asyncio.create_task(handler.run(self.task, self))
        self._handler.add_done_callback(self._is_over)
        timer = self._start_timer()
        try:
            await self._over
        finally:
            if timer is not None:
                timer.cancel()
        if not self._handler.done():
            log.warning("a handler did not stop when cancelled", task_id=self.task.task_id)
            raise RunStopped
        if self._handler.cancelled():
            raise RunStopped
        return self._handler.result()

    def _is_over(self, _: object = None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _start_timer(self) -> asyncio.TimerHandle | None:
        if self.task.deadline_at is None:
            return None
        # Both times are the database's, so this worker's own clock does not matter.
        left = (self.task.deadline_at - self.task.updated_at).total_seconds()
        return asyncio.get_running_loop().call_later(left, self.stop, Stop.DEADLINE)


class Executor:
    """Runs claimed tasks with the handler of their type.

    `jitter` draws from [0, 1) for the rest between attempts.
    """

    def __init__(
        self,
        store: WorkerStore,
        writer: StepWriter,
        handlers: Mapping[str, TaskHandler],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._writer = writer
        self._ends = EndWriter(store)
        self._handlers = handlers
        self._jitter = jitter

    def open(self, task: Task) -> Run:
        return Run(task, self._store, self._writer)

    async def execute(self, run: Run) -> None:
        """Runs the task and settles it; returns quietly when the task was lost to another owner."""
        try:
            move = await self._move(run)
            if move is not None:
                await self._settle(run, move)
        except LostOwnership:
            log.info("task lost", task_id=run.task.task_id, epoch=run.task.epoch)

    async def _move(self, run: Run) -> Move | None:
        handler = self._handlers.get(run.task.task_type)
        if handler is None:
            message = "The worker that claimed the task has no handler for its type."
            return fail(TaskError(type="unknown_task_type", message=message))
        try:
            return _completed(await run.result(handler))
        # A bug in a handler must fail its task, not the worker; so must a wait that a TaskGroup has wrapped.
        except (TaskWaits, Exception, BaseExceptionGroup) as error:  # noqa: BLE001
            # Whatever a stopped handler raises on its way out, why it was stopped decides.
            if run.stopped is not None:
                return _stopped(run.stopped)
            if isinstance(error, TaskWaits) and run.waits:  # else nothing could wake it
                return wait(run.waits, run.task.signals)
            return self._failed(run.task, error)

    def _failed(self, task: Task, error: BaseException) -> Move:
        match error:
            case TaskFailed():
                return self._retry_or_fail(task, error)
            case StoreUnavailable():
                # It is not known what of the last step was stored; the log will say when it can be read.
                return release("store_unavailable")
            case LostOwnership():
                raise error
            case _:
                log.error("handler raised", task_id=task.task_id, exc_info=error)
                return fail(_internal(f"The handler raised {type(error).__name__}"))

    def _retry_or_fail(self, task: Task, failure: TaskFailed) -> Move:
        error = TaskError(
            type=failure.error_type, message=storable(failure.message), retryable=failure.retryable
        )
        policy = task.retry_policy
        if not failure.retryable or task.attempt >= policy.max_attempts:
            known = failure.reason in REASONS[Status.FAILED]
            # What might have worked, and did not in all its attempts, is for an operator to look at.
            return fail(
                error,
                Reason(failure.reason) if known else Reason.ERROR,
                dead_letter=failure.retryable,
                partial=_partial(failure),
            )
        delay_s = policy.delay_s(task.attempt, jitter=self._jitter())
        asked_s = failure.retry_after_s or 0.0
        return retry(error, max(delay_s, min(asked_s, LONGEST_REST_S)))

    async def _settle(self, run: Run, move: Move) -> None:
        """Settles, for as long as it takes: the work is done, and the guard makes a second try harmless."""
        try:
            await self._persist(run, move)
        except LostOwnership:
            raise
        # What the store refuses to hold would otherwise be run again and again.
        except Exception:
            log.exception("a settlement was refused", task_id=run.task.task_id)
            await self._persist(run, fail(_internal("The store refused the task's outcome")))

    async def _persist(self, run: Run, move: Move) -> None:
        if _is_plain(run, move) and await when_back(lambda: self._ends.end(run.lease, move)):
            return
        await when_back(lambda: self._store.settle(run.lease, move))


def _is_plain(run: Run, move: Move) -> bool:
    """Whether the move may be committed together with others': it ends a task that leaves nothing open."""
    is_certain = move.doubt is None or not run.in_doubt
    return move.to in TERMINAL and is_certain and run.task.concurrency_key is None


async def when_back(ask: Callable[[], Awaitable[T]]) -> T:
    """The store's answer, however long it is away: a task is not given up for that."""
    with suppress(StoreUnavailable):
        return await ask()  # as nearly always: what follows costs as much as a step
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    ):
        with attempt:
            return await ask()
    raise AssertionError("tried without an end")


def _internal(what: str) -> TaskError:
    """A fault of ours: what happened is in the worker's log, not in the answer."""
    return TaskError(type="internal", message=f"{what}; the worker's log has the details.")


def _stopped(why: Stop) -> Move | None:
    match why:
        case Stop.CANCELLED:
            return cancel()
        case Stop.DRAINED:
            return release("drained")
        case Stop.DEADLINE:
            return deadline_exceeded()
        case Stop.LOST:
            return None


def _completed(result: object) -> Move:
    """A handler is other people's code: what it returns is looked at before it is stored."""
    try:
        return complete(_checked(result))
    except _BAD_RESULT as error:
        message = f"The handler's result cannot be stored: {error}"[:500]
        return fail(TaskError(type="bad_result", message=message))


def _partial(failure: TaskFailed) -> JsonObject | None:
    """What there was of a result, where it can be stored: why the task failed is what counts."""
    if failure.partial is None:
        return None
    try:
        return _checked(failure.partial)
    except _BAD_RESULT as error:
        log.warning("a partial result cannot be stored", error=str(error))
        return None


def _checked(result: object) -> JsonObject:
    if not isinstance(result, dict):
        raise TypeError(f"it is a {type(result).__name__}, not an object")
    clean = storable(result)
    json.dumps(clean)
    check_json(clean)
    return clean


def _path(event: NewEvent) -> object:
    """Which step of the program an event belongs to; None for one that belongs to none."""
    return (event.journal or {}).get("path")


def _storable(event: NewEvent) -> NewEvent:
    return NewEvent(
        type=event.type, v=event.v, data=storable(event.data), journal=storable(event.journal)
    )
