"""When which topic is looked at again."""

import heapq
import math
from itertools import count

from ops_core.streams.topic import Topic

#: Moments are rounded up to this part of the rest, so that many topics come due together.
_GRID = 4


class Schedule:
    """A queue by time. A topic has one place in it: the sooner of those it was given."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Topic]] = []
        self._numbers = count()

    def put(self, topic: Topic, now: float, rest_s: float = 0.0) -> None:
        """Due after the rest, at once without one; sooner if that was asked for before."""
        due_at = now
        if rest_s:
            grid_s = rest_s / _GRID
            due_at = math.ceil((now + rest_s) / grid_s) * grid_s
        if due_at < topic.due_at:
            topic.due_at = due_at
            heapq.heappush(self._queue, (due_at, next(self._numbers), topic))

    def take(self, now: float) -> list[Topic]:
        """What is due, longest due first; each has to be put again."""
        due = []
        while self._queue and self._queue[0][0] <= now:
            due_at, _, topic = heapq.heappop(self._queue)
            if topic.due_at == due_at and topic.watches:
                topic.due_at = math.inf
                due.append(topic)
        return due

    @property
    def next_at(self) -> float:
        return self._queue[0][0] if self._queue else math.inf
