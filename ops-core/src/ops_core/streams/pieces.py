"""Text that is on its way, collected for a moment: a signal for each token would be a signal too many."""

import asyncio
from typing import Final

from ops_core.ports import TaskKey
from ops_core.streams.signals import MAX_DELTA, Delta, Signals
from ops_core.task import JsonObject

#: How long text is collected. Seconds; what a reader takes for at once.
COLLECT_S: Final = 0.05


class Pieces:
    """Tells the pieces of what one task writes. Nothing here waits, and nothing can fail its task.

    `always`: they are wanted even if nobody watches yet, for those who come in the middle.
    """

    __slots__ = ("_always", "_collected", "_key", "_length", "_signals", "_timer")

    def __init__(self, signals: Signals, key: TaskKey, *, always: bool = False) -> None:
        self._signals = signals
        self._key = key
        self._always = always
        self._collected: tuple[tuple[JsonObject, list[str]], ...] = ()
        self._length = 0
        self._timer: asyncio.TimerHandle | None = None

    def wanted(self) -> bool:
        """Whether anybody would see them; else there is no need to make any."""
        return self._always or self._signals.wants_deltas(self._key)

    def add(self, head: JsonObject, text: str) -> None:
        """`head` says what the text is a piece of; what follows with the same one is added to it."""
        text = text[: MAX_DELTA - self._length]  # the event of the whole will have the rest
        self._length += len(text)
        if self._collected and self._collected[-1][0] == head:
            self._collected[-1][1].append(text)
        elif text:
            self._collected += ((head, [text]),)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COLLECT_S, self._tell)

    def drop(self) -> None:
        """What is collected is of no use any more: the whole is in the log."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._collected, self._length = (), 0

    def _tell(self) -> None:
        collected = self._collected
        self.drop()
        for head, texts in collected:
            self._signals.delta(self._key, Delta(head | {"text": "".join(texts)}))
