"""Follows a task through its log, event by event, across restarts of the server."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from opspawn.cli.client import ApiClient, Event, Json
from opspawn.cli.exits import Unreachable

PAGE = 200

#: Seconds between two looks at an idle log: soon after an event, then less and less often.
SHORTEST_WAIT_S = 0.1
LONGEST_WAIT_S = 0.5

#: Seconds for which a server that went away is waited for.
PATIENCE_S = 60.0

ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Lost:
    """The server does not answer; it is asked again until the patience is over."""

    message: str


@dataclass(frozen=True, slots=True)
class Found:
    """The server answers again; the log goes on where it stopped."""


Seen = Event | Lost | Found


class Follower:
    """One task's events in order, each once. When they end, `task` is how the task then stands."""

    def __init__(
        self,
        api: ApiClient,
        task_id: str,
        *,
        through_waiting: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`through_waiting`: go on when the task waits for something from outside."""
        self._api = api
        self._task_id = task_id
        self._ends = ENDED if through_waiting else ENDED | {"waiting"}
        self._patience_s = patience_s
        self._after = 0
        self.task: Json = {}

    async def events(self) -> AsyncIterator[Seen]:
        """Raises `Refused` for an unknown task, `Unreachable` when the patience is over."""
        wait_s = 0.0
        async for found in self._looks():
            if isinstance(found, Lost | Found):
                yield found
                continue
            for event in found:
                self._after = event.seq
                yield event
            if not found and self.task["status"] in self._ends:
                return
            wait_s = 0.0 if found else min(max(wait_s * 1.5, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            await asyncio.sleep(wait_s)

    async def _looks(self) -> AsyncIterator[list[Event] | Lost | Found]:
        """What each look at the server found, for ever."""
        lost_at: float | None = None
        while True:
            try:
                # In this order: if a task had ended before an empty page, all was shown.
                self.task = await self._api.task(self._task_id)
                page = await self._api.events(self._task_id, after=self._after, limit=PAGE)
            except Unreachable as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at >= self._patience_s:
                    raise
                yield Lost(str(error))
                await asyncio.sleep(LONGEST_WAIT_S)
                continue
            if lost_at is not None:
                lost_at = None
                yield Found()
            yield page
