"""Ends of tasks that are committed together: what waits while one commit is under way goes out with the next.

A task that ends alone pays one commit, a thousand that end at once share them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ops_core.errors import StoreUnavailable
from ops_core.moves import Move
from ops_core.ports import Ending, Lease, WorkerStore

log = structlog.get_logger(__name__)

#: More ends than this wait for the next commit: see `writer.MAX_BATCH`.
MAX_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class _Waiting:
    ending: Ending
    ended: asyncio.Future[bool]


class EndWriter:
    """Group commit of ends. It runs for as long as any wait."""

    def __init__(self, store: WorkerStore) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def end(self, lease: Lease, move: Move) -> bool:
        """Whether the task was ended together with others; if not, it is to be settled by itself.

        Raises `StoreUnavailable` when it is not known whether it was.
        """
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Ending(lease, move), ended))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="ends")
        return await ended

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._commit(batch)
        finally:
            self._running = None

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._store.end_together([waiting.ending for waiting in batch])
        except StoreUnavailable as error:
            for waiting in batch:
                if not waiting.ended.done():
                    waiting.ended.set_exception(StoreUnavailable(str(error)))
            return
        # One value that the store refuses must not take the others' ends with it: each is settled by itself.
        except Exception as error:  # noqa: BLE001
            log.warning(
                "ends were refused, settling one by one", ends=len(batch), error=repr(error)
            )
            outcomes = [False] * len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not waiting.ended.done():
                waiting.ended.set_result(outcome)
