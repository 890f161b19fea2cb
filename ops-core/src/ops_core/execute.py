"""Runs one claimed task, from its claim to the move that settles it.

The steps of a run, in order: read the log, run the handler, decide the move, settle. What can stop a handler
is in `ops_core.run`.
"""

import asyncio
import json
import random
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from ops_core.endings import EndWriter
from ops_core.errors import (
    InvalidRequest,
    LostOwnership,
    StoreUnavailable,
    TaskFailed,
    TaskWaits,
)
from ops_core.log import storable
from ops_core.moves import Move, cancel, complete, deadline_exceeded, fail, release, retry, wait
from ops_core.patience import when_back
from ops_core.ports import TaskHandler, TaskLog, WorkerStore
from ops_core.request import check_json
from ops_core.run import Run, Stop
from ops_core.task import REASONS, TERMINAL, JsonObject, Reason, Status, Task, TaskError
from ops_core.writer import StepWriter

log = structlog.get_logger(__name__)

Left = Callable[["asyncio.Task[None]", "asyncio.Task[None]"], None]
"""Hears of a handler that does not end: the asyncio task that it holds, and the one that settles instead."""

#: The longest rest that a provider's Retry-After can ask for. Seconds; a day.
LONGEST_REST_S: Final = 86_400.0

#: What a result is refused with that no store could keep.
_BAD_RESULT: Final = (InvalidRequest, TypeError, ValueError, RecursionError)


class _NoHandler:
    """Stands for the handler of a type that this worker does not know."""

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        message = "The worker that claimed the task has no handler for its type."
        raise TaskFailed("unknown_task_type", message)


_NO_HANDLER: Final = _NoHandler()


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
        left: Left | None = None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._ends = EndWriter(store)
        self._handlers = handlers
        self._jitter = jitter
        self._left = left
        self._give_up = self._settle_without  # one for all runs

    def open(self, task: Task) -> Run:
        return Run(task, self._store, self._writer, self._give_up)

    async def execute(self, run: Run) -> None:
        """Runs the task and settles it; returns quietly when the task was lost to another owner.

        Its handler runs in the asyncio task that calls this, and nothing is around it but this: thousands
        wait inside of one each.
        """
        try:
            await run.begin()
            handler = self._handlers.get(run.task.task_type, _NO_HANDLER)
            run.enter()
            try:
                ending: Move | None = _completed(await handler.run(run.task, run))
            finally:
                run.leave()
        # A bug in a handler must fail its task, not the worker; so must a wait that a TaskGroup has wrapped.
        except (TaskWaits, CancelledError, Exception, BaseExceptionGroup) as error:  # noqa: BLE001
            ending = self._after(run, error)
        await self._settle(run, ending)

    def _settle_without(self, run: Run, held: "asyncio.Task[None]") -> None:
        """The handler does not end. What it does from now on is harmless, and how it ends: it has lost its
        task, as to another worker.
        """
        log.warning("a handler did not stop when cancelled", task_id=run.task.task_id)
        assert run.stopped is not None, "only a stopped run is given up"
        settling = asyncio.create_task(self._settle(run, _stopped(run.stopped)))
        settling.set_name(run.task.task_id)
        if self._left is not None:
            self._left(held, settling)

    def _after(self, run: Run, error: BaseException) -> Move | None:
        """What becomes of a task whose handler raised; None when it is not ours any more."""
        # Whatever a stopped handler raises on its way out, why it was stopped decides. That comes first: a
        # handler may leave cancellations behind, as a TaskGroup that fails at its end does in Python 3.11.
        if run.stopped is not None:
            return _stopped(run.stopped)
        if isinstance(error, CancelledError) and _is_cancelled():
            raise error  # the worker ends, and not the run; or the handler cancelled its own task
        if isinstance(error, TaskWaits) and run.waits:  # else nothing could wake it
            return wait(run.waits, run.task.signals)
        if isinstance(error, LostOwnership):
            _tell_lost(run)
            return None
        return self._failed(run.task, error)

    def _failed(self, task: Task, error: BaseException) -> Move:
        match error:
            case TaskFailed():
                return self._retry_or_fail(task, error)
            case StoreUnavailable():
                # It is not known what of the last step was stored; the log will say when it can be read.
                return release("store_unavailable")
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

    async def _settle(self, run: Run, move: Move | None) -> None:
        """Settles, for as long as it takes: the work is done, and the guard makes a second try harmless."""
        if move is None:
            return
        try:
            await self._persist(run, move)
        except LostOwnership:
            _tell_lost(run)
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


def _is_cancelled() -> bool:
    """Whether somebody cancelled this asyncio task; stopping a run leaves no trace of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def cancelled_itself() -> Move:
    """A handler cancelled the asyncio task that it ran in: handed over, it would do so again."""
    return fail(_internal("The handler cancelled the task that it ran in"))


def _tell_lost(run: Run) -> None:
    log.info("task lost", task_id=run.task.task_id, epoch=run.task.epoch)


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
