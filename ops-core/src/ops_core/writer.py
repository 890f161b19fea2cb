"""The one writer of a worker: it commits the appends of all its tasks together.

While one commit is under way, the appends of every other task gather; when it returns they go out as the next
batch. A lone task pays one commit a step, a thousand tasks share them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from ops_core.budgets.ledger import Settlement
from ops_core.errors import CancelRequested, LostOwnership, OpsError, StoreUnavailable
from ops_core.log import NewEvent
from ops_core.ports import Append, Appended, Lease, WorkerStore
from ops_core.task import Usage

log = structlog.get_logger(__name__)

#: More appends than this wait for the next commit. The tasks of a batch go on at once, and the loop hears
#: nothing else until they wait again; and a step costs the database more in a larger batch.
MAX_BATCH: Final = 200

#: How long to rest when every row of a batch was locked by somebody else. Seconds.
BUSY_REST_S: Final = 0.01

#: How long to rest when the store is away, doubling up to the second. Seconds.
AWAY_REST_S: Final = (0.05, 1.0)


@dataclass(slots=True)
class _Waiting:
    append: Append
    committed: asyncio.Future[None]


class StepWriter:
    """Group commit. `run()` must be running for `append` to return."""

    def __init__(self, store: WorkerStore) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._work = asyncio.Event()
        self._away_rest_s = AWAY_REST_S[0]

    async def append(
        self,
        lease: Lease,
        events: Sequence[NewEvent],
        usage: Usage,
        settles: Settlement | None = None,
    ) -> None:
        """Returns when the events are on disk.

        A store that is away is waited for: what the step cost is spent, and an effect that nobody can tell of
        would be a question to a person. Raises `LostOwnership` when the lease is no longer good, and
        `CancelRequested` for an effect that would begin in a task that is to be cancelled.
        """
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Append(lease, events, usage, settles), committed))
        self._work.set()
        await committed

    async def run(self) -> None:
        """Commits batches until cancelled."""
        while True:
            await self._work.wait()
            batch = self._next_batch()
            if not await self._commit(batch):
                await asyncio.sleep(BUSY_REST_S)

    def _next_batch(self) -> list[_Waiting]:
        """The oldest appends, at most one a task: the order within a task is the order of its log."""
        batch: dict[str, _Waiting] = {}
        rest: list[_Waiting] = []
        for waiting in self._waiting:
            task_id = waiting.append.lease.task_id
            if waiting.committed.cancelled():
                continue
            if task_id in batch or len(batch) >= MAX_BATCH:
                rest.append(waiting)
            else:
                batch[task_id] = waiting
        self._waiting = rest
        if not rest:
            self._work.clear()
        return list(batch.values())

    async def _commit(self, batch: Sequence[_Waiting]) -> bool:
        """Whether anything moved on."""
        if not batch:
            return True
        try:
            outcomes = await self._store.append([waiting.append for waiting in batch])
        except StoreUnavailable as error:
            await self._wait_for_store(batch, error)
            return True
        # One value that the store refuses must not take the others' steps with it.
        except Exception as error:  # noqa: BLE001
            return await self._bisect(batch, error)
        self._away_rest_s = AWAY_REST_S[0]
        busy = [w for w, outcome in zip(batch, outcomes, strict=True) if self._answer(w, outcome)]
        if busy:
            self._waiting[:0] = busy
            self._work.set()
        return len(busy) < len(batch)

    async def _wait_for_store(self, batch: Sequence[_Waiting], error: StoreUnavailable) -> None:
        """Puts the batch back, to be asked for again as one that may have been stored."""
        log.warning("the store is away, appending again", appends=len(batch), error=str(error))
        for waiting in batch:
            waiting.append = replace(waiting.append, is_repeated=True)
        self._waiting[:0] = batch
        self._work.set()
        await asyncio.sleep(self._away_rest_s)
        self._away_rest_s = min(self._away_rest_s * 2, AWAY_REST_S[1])

    async def _bisect(self, batch: Sequence[_Waiting], error: Exception) -> bool:
        if len(batch) == 1:
            log.error(
                "the store refused an append",
                task_id=batch[0].append.lease.task_id,
                error=repr(error),
            )
            _refuse(batch, OpsError("the store refused the event; see the worker's log"))
            return True
        middle = len(batch) // 2
        moved = [await self._commit(batch[:middle]), await self._commit(batch[middle:])]
        return any(moved)

    def _answer(self, waiting: _Waiting, outcome: Appended) -> bool:
        """Tells the task what became of its append; True when it must be asked again."""
        if outcome is Appended.BUSY:
            return True
        if not waiting.committed.done():
            lease = waiting.append.lease
            match outcome:
                case Appended.STORED:
                    waiting.committed.set_result(None)
                case Appended.CANCELLED:
                    cancelled = CancelRequested(f"{lease.task_id} is to be cancelled")
                    waiting.committed.set_exception(cancelled)
                case Appended.LOST:
                    lost = f"{lease.task_id} is no longer held under epoch {lease.epoch}"
                    waiting.committed.set_exception(LostOwnership(lost))
        return False


def _refuse(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.committed.done():
            waiting.committed.set_exception(error)
