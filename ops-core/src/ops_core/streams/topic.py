"""A task that somebody watches: how far its log has been read, and who is told."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ops_core.log import Event
from ops_core.ports import TaskKey
from ops_core.streams.ports import ENDS
from ops_core.streams.signals import Interest
from ops_core.streams.told import Told

if TYPE_CHECKING:
    from ops_core.streams.watch import Watch


class Topic:
    """One for each watched task, however many watch it. `seq` is the live edge: all before it was told."""

    def __init__(self, key: TaskKey, seq: int, *, has_ended: bool) -> None:
        self.key = key
        self.seq = seq
        self.has_ended = has_ended
        """The last event that was read is the end of a generation."""

        # In the order in which they came: who has waited longest is told first.
        self.watches: dict[Watch, None] = {}
        self._want_deltas = self._want_events = 0
        self.rest_s = 0.0
        self.due_at = math.inf

    @property
    def interest(self) -> Interest:
        """What those who watch it want together."""
        return Interest(self.key, self._want_deltas > 0, self._want_events > 0)

    def add(self, watch: "Watch") -> None:
        self.watches[watch] = None
        self._want_deltas += watch.wants.deltas
        self._want_events += watch.wants.events

    def remove(self, watch: "Watch") -> None:
        del self.watches[watch]
        self._want_deltas -= watch.wants.deltas
        self._want_events -= watch.wants.events

    def take(self, events: Sequence[Event]) -> list[Told]:
        """Moves the edge on over the events that follow it without a gap; those are what is to be told."""
        told = []
        for event in events:
            if event.seq != self.seq + 1:
                break  # read again from here
            self.seq = event.seq
            self.has_ended = event.type in ENDS
            told.append(Told(event))
        return told
