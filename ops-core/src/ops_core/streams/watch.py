"""One client's stream of one task."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from ops_core.errors import StoreUnavailable, StreamTooSlow, Unavailable
from ops_core.log import Event
from ops_core.streams.permit import Permit
from ops_core.streams.ports import ENDS, Tasks
from ops_core.streams.signals import Delta, Interest
from ops_core.streams.told import Told
from ops_core.streams.topic import Topic

#: Events read in one go by a watch that is behind.
PAGE: Final = 100

#: Rest before a store that is away is asked again. Seconds.
AWAY_S: Final = 0.2


class Watch:
    """The events after `seq`, each once and in order, until the end of the task's generation.

    A watch that is behind reads pages by itself; from the live edge on it is told, into a buffer of `room`
    places. Close it, or use it with `with`.
    """

    def __init__(
        self,
        topic: Topic,
        tasks: Tasks,
        *,
        after: int,
        over: bool,
        wants: Interest,
        room: int,
        permit: Permit,
        leave: Callable[["Watch"], None],
    ) -> None:
        self.topic = topic
        self.wants = wants
        self.over = over
        """Everything was given, and nothing will follow in this generation."""

        self._tasks = tasks
        self._seq = after
        self._is_live = after >= topic.seq
        self._room = room
        self._permit = permit
        self._leave = leave
        self._buffer: list[Told | Delta] = []
        self._has_ended = self._may_have_settled = False
        self._stopped: Unavailable | None = None
        self._news = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is read or kept for this client any more. Harmless a second time."""
        self._buffer.clear()
        self._leave(self)

    async def next(self, within_s: float) -> Sequence[Told | Delta]:
        """What has come, in order; nothing when nothing came within the time, or when it is `over`, or when
        the task may have settled and nothing else is wanted.

        A store that is away is waited for. Raises `StreamTooSlow`, `ServerStopping`: the client may come
        again and go on where it was; `TaskNotFound` when the task was deleted meanwhile; and
        `NotAuthenticated` when who watches is let in no more.
        """
        end = asyncio.get_running_loop().time() + within_s
        while not self.over:
            await self._permit.check()
            until = min(end, self._permit.until)
            is_in_time = await self._wait(until) if self._is_live else await self._catch_up(until)
            self.over = self._has_ended
            if (
                self._may_have_settled
            ):  # who reads the task now has no use for what is in the buffer
                self._may_have_settled = False
                break
            if self._buffer:
                taken, self._buffer = self._buffer, []
                return taken
            if self._stopped is not None:
                raise self._stopped
            if not is_in_time and until == end:
                break
        return ()

    # What the hub says.

    def tell(self, told: Sequence[Told]) -> None:
        """New events, which follow those told before."""
        if not told or not self._is_live or self._stopped is not None:
            return
        for one in told:
            if one.event.seq > self._seq:
                self._seq = one.event.seq
                self._buffer.append(one)
        if len(self._buffer) > self._room:
            self._buffer.clear()  # it comes again from where it was
            self._stopped = StreamTooSlow(self._room)
        self._news.set()

    def tell_delta(self, delta: Delta) -> None:
        """Text that is on its way; the last half of the room is kept for events."""
        if self.wants.deltas and self._is_live and 2 * len(self._buffer) < self._room:
            self._buffer.append(delta)
            self._news.set()

    def hint(self) -> None:
        """The task may have settled. Who wants to hear of events is told by those."""
        if not self.wants.events:
            self._may_have_settled = True
            self._news.set()

    def end(self) -> None:
        """The task has ended, and all of its events were told."""
        if self._is_live:
            self._has_ended = True
            self._news.set()

    def stop(self, why: Unavailable) -> None:
        """Ends the stream before its time."""
        self._stopped = self._stopped or why
        self._news.set()

    # Reading by itself.

    async def _catch_up(self, until: float) -> bool:
        """Reads the next page into the buffer; False when the store is away for all of the time."""
        key = self.topic.key
        while self._stopped is None:
            try:
                page = await self._tasks.events(
                    key.task_id, tenant_id=key.tenant_id, after=self._seq, limit=PAGE
                )
            except StoreUnavailable:
                again_at = asyncio.get_running_loop().time() + AWAY_S
                if not await self._wait(min(until, again_at)) and until <= again_at:
                    return False
            else:
                self._caught_up(page)
                break
        return True

    def _caught_up(self, page: Sequence[Event]) -> None:
        if page:
            self._seq = page[-1].seq
        # Where the edge is, or beyond it: what follows will be told, and what is known already passed over.
        self._is_live = self._seq >= self.topic.seq
        if page and page[-1].type in ENDS and len(page) < PAGE:
            self._has_ended = True
        self._buffer += [Told(event) for event in page]

    async def _wait(self, until: float) -> bool:
        """For news, or for the end; False when the time was over first."""
        try:
            async with asyncio.timeout_at(until):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True
