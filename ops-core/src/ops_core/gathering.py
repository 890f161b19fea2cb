"""What many ask of the store at once, asked together: who waits when one answer returns goes with the next.

There is no timer. A lone question is asked at once; while it is under way the others gather, and the busier a
door is, the more of them share a transaction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from ops_core.errors import StoreUnavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: More than these wait for the next turn: a batch must stay well inside the statement timeout.
MAX_BATCH: Final = 100

#: Nor more than this, unless one question alone is: each is held in memory several times until its batch is
#: answered, and sent as one statement. Bytes.
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024

#: How long one may wait for his answer, whatever the batches before his take: as long as the answer to one
#: statement may take. Behind connections that are frozen each batch takes that long. Seconds.
WAIT_S: Final = 20.0

#: Batches under way at the same time. Each takes a connection.
AT_ONCE: Final = 4

#: So many that wait are worth a second batch of their group beside the first, which may wait for its commit;
#: fewer cost less when they wait for it too, for a batch costs as much as ten questions.
WORTH_A_SECOND: Final = 16


@dataclass(slots=True)
class _Waiting(Generic[Question, Answer]):
    question: Question
    answered: "asyncio.Future[Answer]"


Take: TypeAlias = Callable[[], Sequence[Question]]
"""The questions to be answered; to be called once, as late as can be: others gather until then."""


class Gathering(Generic[Question, Answer]):
    """Asks the questions of one group (a tenant) together, one batch of a group after the other.

    `ask(group, take)` gives an answer for each of `take()`, in their order. What it raises is raised for all
    of the batch, so it raises only what is true of all of them; before it has taken one, for all who wait.
    `weigh` says about how many bytes a question is.
    """

    def __init__(
        self,
        ask: Callable[[str, Take[Question]], Awaitable[Sequence[Answer]]],
        weigh: Callable[[Question], int] = lambda _: 0,
    ) -> None:
        self._ask = ask
        self._weigh = weigh
        self._waiting: OrderedDict[str, list[_Waiting[Question, Answer]]] = OrderedDict()
        self._since: dict[asyncio.Future[Answer], float] = {}  # all who wait, the oldest first
        self._patience: asyncio.TimerHandle | None = None
        self._asked: dict[asyncio.Task[None], str] = {}
        self._open: set[str] = set()  # groups with a batch that still takes whoever comes

    async def answer(self, group: str, question: Question) -> Answer:
        """The answer. A caller that is cancelled harms nobody, but may have been asked for, and so may one
        that has waited too long. Raises `StoreUnavailable` to that one.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        self._since[answered] = loop.time()
        self._waiting.setdefault(group, []).append(_Waiting(question, answered))
        self._start()
        if self._patience is None:
            self._patience = loop.call_later(WAIT_S, self._lose_patience, loop)
        try:
            return await answered
        finally:
            del self._since[answered]

    def _lose_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuses who has waited too long: one timer for all, for each would cost as much as its question."""
        self._patience = None
        for answered, since in self._since.items():
            left_s = since + WAIT_S - loop.time()
            if left_s > 0:
                self._patience = loop.call_later(left_s, self._lose_patience, loop)
                return
            if not answered.done():
                late = f"the store has not answered for {WAIT_S:.0f} s"
                answered.set_exception(StoreUnavailable(late))

    def _start(self) -> None:
        """Begins a batch of each group that waits and has no open one, as far as there is room."""
        for group in self._waiting:
            if len(self._asked) >= AT_ONCE:
                return
            if group in self._open or not self._is_worth_it(group):
                continue
            self._open.add(group)
            # A context of its own: its log lines are not those of the request that happens to start it.
            asking = asyncio.create_task(self._settle(group), context=Context())
            self._asked[asking] = group
            asking.add_done_callback(self._go_on)

    def _is_worth_it(self, group: str) -> bool:
        beside = list(self._asked.values()).count(group)
        return beside == 0 or (beside == 1 and len(self._waiting[group]) >= WORTH_A_SECOND)

    def _go_on(self, asked: "asyncio.Task[None]") -> None:
        del self._asked[asked]
        self._start()

    async def _settle(self, group: str) -> None:
        batch: list[_Waiting[Question, Answer]] = []
        is_taken = False

        def take() -> list[Question]:
            nonlocal is_taken
            is_taken = True
            batch.extend(self._next_batch(group))
            return [each.question for each in batch]

        try:
            for each, answer in zip(batch, await self._ask(group, take), strict=True):
                if not each.answered.done():
                    each.answered.set_result(answer)
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            _refuse(batch if is_taken else self._everybody(group), error)
            if not isinstance(error, Exception):
                raise

    def _everybody(self, group: str) -> list[_Waiting[Question, Answer]]:
        """Who waits when not even the first can be asked for: the others would wait as long, by turns."""
        self._open.discard(group)
        return self._waiting.pop(group, [])

    def _next_batch(self, group: str) -> list[_Waiting[Question, Answer]]:
        self._open.discard(group)
        waiting = [each for each in self._waiting.pop(group, ()) if not each.answered.done()]
        fitting = self._fitting(waiting)
        if len(waiting) > fitting:
            self._waiting[group] = waiting[fitting:]  # behind the other groups
        return waiting[:fitting]

    def _fitting(self, waiting: Sequence[_Waiting[Question, Answer]]) -> int:
        """How many of them fit into a batch; the first always does."""
        weight = 0
        for place, each in enumerate(waiting[:MAX_BATCH]):
            weight += self._weigh(each.question)
            if place and weight > MAX_BATCH_BYTES:
                return place
        return min(len(waiting), MAX_BATCH)


def _refuse(batch: Sequence[_Waiting[Question, Answer]], error: BaseException) -> None:
    for each in batch:
        if each.answered.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            each.answered.cancel()
        else:
            each.answered.set_exception(error)
