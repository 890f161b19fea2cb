"""Follows a task through its log, event by event, across restarts of the server."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from opspawn.cli.client import ONCE, ApiClient, Event
from opspawn.cli.exits import Unreachable
from opspawn.client import calls
from opspawn.client.call import Json

#: Seconds until a stream that ended before its task is opened again.
AGAIN_S = 0.5

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
        self._last: Event | None = None
        self.task: Json = {}

    async def events(self) -> AsyncIterator[Seen]:
        """Raises `Refused` for an unknown task, `Unreachable` when the patience is over."""
        lost_at: float | None = None
        while True:
            try:
                async with aclosing(self._connected()) as seen:
                    async for event in seen:
                        if lost_at is not None:
                            lost_at = None
                            yield Found()
                        if event is not None:
                            yield event
                if self._is_over():
                    return
            except Unreachable as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at >= self._patience_s:
                    raise
                yield Lost(str(error))
            await asyncio.sleep(AGAIN_S)

    async def _connected(self) -> AsyncGenerator[Event | None, None]:
        """What one connection brings: None when the server answers, then events until it breaks off."""
        self.task = await self._look()
        yield None
        after = self._last.seq if self._last else 0
        async with aclosing(self._api.events(self._task_id, after=after)) as events:
            async for event in events:
                self._last = event
                yield event
                if event.type == "task.waiting" and "waiting" in self._ends:
                    self.task = await self._look()
                    if self._is_over():
                        return
        self.task = await self._look()

    async def _look(self) -> Json:
        return await self._api.ask(calls.task(self._task_id), patience=ONCE)

    def _is_over(self) -> bool:
        """Whether the task stands where we stop, and the event that says so was shown.

        A server that stops ends the stream of a task that goes on, or that ends a moment later.
        """
        status = self.task["status"]
        return (
            status in self._ends and self._last is not None and self._last.type == f"task.{status}"
        )
