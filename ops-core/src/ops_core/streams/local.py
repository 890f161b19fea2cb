"""Signals where doors and workers share one process and one loop."""

from collections.abc import Callable, Iterable

from ops_core.ports import TaskKey
from ops_core.streams.signals import Delta, Interest, Listener
from ops_core.streams.watched import Watched


class LocalSignals:
    """`Signals` in process: a call of the listeners."""

    def __init__(self) -> None:
        self._watched = Watched()
        self._listeners: list[Listener] = []

    def start(self) -> None:
        """As the signals between processes are started."""

    def close(self) -> None:
        """Nothing is told any more."""
        self._listeners.clear()

    def changed(self, key: TaskKey, *, settled: bool = False) -> None:
        if self._watched.wants_change(key, settled=settled):
            for listener in self._listeners:
                listener.changed(key)

    def delta(self, key: TaskKey, delta: Delta) -> None:
        if self._watched.wants_deltas(key):
            for listener in self._listeners:
                listener.delta(key, delta)

    def wants_deltas(self, key: TaskKey) -> bool:
        return self._watched.wants_deltas(key)

    def watch(self, interests: Iterable[Interest]) -> None:
        self._watched.note(interests)

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop
