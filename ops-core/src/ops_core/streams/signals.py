"""What may help and may be lost: hints that a log has grown, and pieces of text while a model writes.

Nothing depends on a signal: a reader that hears none looks by itself, a little later. Only what somebody
watches is told at all: doors say what they watch, again and again, and a worker forgets it after a while.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ops_core.ports import TaskKey
from ops_core.task import JsonObject

#: How long a worker remembers that a task is watched, and how often a door says so again. Seconds.
INTEREST_TTL_S: Final = 30.0
ANNOUNCE_S: Final = 10.0

#: The name of what carries pieces of a model's answer, beside the types of events.
LLM_DELTA: Final = "llm.delta"

#: More than this of one piece is cut off: it is only a preview of an event that has all. Characters.
MAX_DELTA: Final = 16_384


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of what a model writes: it has no `seq`, is told once, and may be lost."""

    data: JsonObject
    type: str = LLM_DELTA


class Interest(NamedTuple):
    """A task that is watched, and what somebody wants of it besides to hear when it has settled."""

    key: TaskKey
    deltas: bool
    events: bool = True
    """To hear of every event. Who holds a request until a task has settled has no use for that."""


class Listener(Protocol):
    """A door: who is told what was published."""

    def changed(self, key: TaskKey) -> None:
        """The log of the task may have grown."""
        ...

    def delta(self, key: TaskKey, delta: Delta) -> None:
        """A piece of text of a task that somebody watches."""
        ...


class Signals(Protocol):
    """Every method returns at once, whatever the broker does, and raises nothing."""

    def changed(self, key: TaskKey, *, settled: bool = False) -> None:
        """After the commit: tells the doors that the log of a task has grown, if any wants to hear it.

        `settled`: it has ended, or needs something.
        """
        ...

    def delta(self, key: TaskKey, delta: Delta) -> None:
        """Tells the doors a piece of text, if any of them wants it."""
        ...

    def wants_deltas(self, key: TaskKey) -> bool:
        """Whether anybody would see them."""
        ...

    def watch(self, interests: Iterable[Interest]) -> None:
        """Tells the workers what is watched here. Forgotten after `INTEREST_TTL_S`."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tells the listener from now on, on the running loop; call what it returns to stop that."""
        ...


class NoSignals:
    """A process that hears and says nothing: its readers look by themselves."""

    def changed(self, key: TaskKey, *, settled: bool = False) -> None:
        """See `Signals`, as all of these."""

    def delta(self, key: TaskKey, delta: Delta) -> None: ...

    def wants_deltas(self, key: TaskKey) -> bool:
        return False

    def watch(self, interests: Iterable[Interest]) -> None: ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        return lambda: None
