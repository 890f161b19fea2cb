"""What many ask of the store at once, asked together: who waits when one answer returns goes with the next.

There is no timer. A lone question is asked at once; while it is under way the others gather, and the busier a
door is, the more of them share a transaction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: More than these wait for the next turn: a batch must stay well inside the statement timeout.
MAX_BATCH: Final = 100

#: Groups that are asked at the same time. Each takes a connection.
AT_ONCE: Final = 4


@dataclass(slots=True)
class _Waiting(Generic[Question, Answer]):
    question: Question
    answered: "asyncio.Future[Answer]"


class Gathering(Generic[Question, Answer]):
    """Asks the questions of one group (a tenant) together, one batch of a group after the other.

    `ask(group, questions)` gives an answer for each, in their order. What it raises is raised for all of
    the batch, so it raises only what is true of all of them.
    """

    def __init__(
        self, ask: Callable[[str, Sequence[Question]], Awaitable[Sequence[Answer]]]
    ) -> None:
        self._ask = ask
        self._waiting: OrderedDict[str, list[_Waiting[Question, Answer]]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[None]] = {}

    async def answer(self, group: str, question: Question) -> Answer:
        """The answer. A caller that is cancelled harms nobody, but may have been asked for."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, []).append(_Waiting(question, answered))
        self._start()
        return await answered

    def _start(self) -> None:
        """Starts a batch of each group that waits and has none under way, as far as there is room."""
        for group in [group for group in self._waiting if group not in self._asked]:
            if len(self._asked) >= AT_ONCE:
                return
            batch = self._next_batch(group)
            if batch:
                # A context of its own: its log lines are not those of the request that happens to start it.
                self._asked[group] = asyncio.create_task(
                    self._settle(group, batch), context=Context()
                )

    def _next_batch(self, group: str) -> list[_Waiting[Question, Answer]]:
        waiting = [each for each in self._waiting.pop(group) if not each.answered.done()]
        if len(waiting) > MAX_BATCH:
            self._waiting[group] = waiting[MAX_BATCH:]  # behind the other groups
        return waiting[:MAX_BATCH]

    async def _settle(self, group: str, batch: Sequence[_Waiting[Question, Answer]]) -> None:
        try:
            answers = await self._ask(group, [each.question for each in batch])
            for each, answer in zip(batch, answers, strict=True):
                if not each.answered.done():
                    each.answered.set_result(answer)
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            _refuse(batch, error)
            if not isinstance(error, Exception):
                raise
        finally:
            del self._asked[group]
            self._start()


def _refuse(batch: Sequence[_Waiting[Question, Answer]], error: BaseException) -> None:
    for each in batch:
        if each.answered.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            each.answered.cancel()
        else:
            each.answered.set_exception(error)
