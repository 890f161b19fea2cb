"""Events that come up inside of what the loop awaits: deltas, a memory's doings, other agents'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, Self

from agentkit.events import Event


class Feed:
    """Collects what one run tells, and gives it to the run's listener in that order.

    Thousands of runs wait with nothing to tell, so it is small until there is work to listen to.
    """

    __slots__ = ("_news", "_told")

    def __init__(self) -> None:
        self._told: list[Event] = []
        self._news: asyncio.Event | None = None

    def tell(self, event: Event) -> None:
        """Have the listener hear of it, as soon as it listens."""
        self._told.append(event)
        if self._news is not None:
            self._news.set()

    def during(
        self, work: Coroutine[Any, Any, None], *, live: bool = True
    ) -> AsyncGenerator[Event, None] | Afterwards:
        """What is told until `work` is over; raises what `work` raises.

        With `live` off, the listener hears of it when the work is over.
        """
        return self._live(work) if live else Afterwards(self._told, work)

    async def _live(self, work: Coroutine[Any, Any, None]) -> AsyncGenerator[Event, None]:
        """Work whose listener leaves, or is cancelled, is cancelled too, as often as the listener is,
        and has ended before this goes on.
        """
        news = self._news = asyncio.Event()
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: news.set())
        try:
            while True:
                for event in self._taken():
                    yield event
                if task.done():
                    break
                await news.wait()
                news.clear()
        finally:
            self._news = None
            if not task.done():
                await _ended(task)
            # What the work raises when it is cancelled says more than the cancellation.
            if not task.cancelled():
                task.result()

    def _taken(self) -> Iterator[Event]:
        """What was told and not heard yet, and what is told while that is heard."""
        while self._told:
            yield self._told.pop(0)


class Afterwards:
    """What was told of a work, once that is over; to be listened to and closed as a generator is.

    The work is done in the listener's very task: one of its own would take the loop two turns, and
    of a thousand agents each turn takes all of them before the first sends its next request. And
    as all of them wait in here, this is no generator, whose every step is an object of its own.
    """

    __slots__ = ("_told", "_work")

    def __init__(self, told: list[Event], work: Coroutine[Any, Any, None]) -> None:
        self._told = told
        self._work: Coroutine[Any, Any, None] | None = work

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._work is not None:
            work, self._work = self._work, None
            task = asyncio.current_task()
            assert task is not None, "a coroutine runs in a task"
            asked = task.cancelling()
            await work
            # A tool or a client may have kept it to itself, as it could in a task of its own.
            if task.cancelling() > asked:
                raise asyncio.CancelledError
        if not self._told:
            raise StopAsyncIteration
        return self._told.pop(0)

    async def aclose(self) -> None:
        """Work that did not begin is not done."""
        if self._work is not None:
            self._work.close()


async def _ended(work: asyncio.Task[None]) -> None:
    again: asyncio.CancelledError | None = None
    work.cancel()
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            again = error
            work.cancel()
    if again is not None and (work.cancelled() or work.exception() is None):
        raise again
