"""The store as the dispatcher sees it, and the bell that it rings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class TaskKey(NamedTuple):
    """What names a task across tenants."""

    tenant_id: str
    task_id: str


class PutOff(NamedTuple):
    """A pending row whose ring was taken, as it stands then: enough to tell whether it has changed since."""

    key: TaskKey
    epoch: int
    rings: int


@dataclass(frozen=True, slots=True)
class TakenRings:
    """`count` rings to give to `queue`, for the rows whose next ring was put off for them."""

    queue: str
    count: int
    rows: Sequence[PutOff]


class UpkeepStore(Protocol):
    """The store as the dispatcher sees it: across all tenants and workers."""

    async def take_rings(self, limit: int) -> list[TakenRings]:
        """Takes the rings that are due in queues where a live worker has room, for at most `limit` rows.

        The next ring of each of these rows comes after twice the rest of this one; that is committed when
        this returns, so that who is rung finds the rows free. Rows that nobody could serve are left alone.
        """
        ...

    async def return_rings(self, rows: Sequence[PutOff]) -> None:
        """The rings could not be given: makes the rows due at once, but for those that changed since."""
        ...

    async def expire(self, limit: int) -> int:
        """Fails tasks whose deadline has passed; returns how many."""
        ...

    async def wake(self, limit: int) -> int:
        """Wakes waiting tasks whose time has come; returns how many."""
        ...

    async def tell_ends(self, limit: int) -> int:
        """Tells of at most `limit` ended tasks those who must know; returns how many.

        A parent that waits for its children is woken, tasks that depend on the ended one are freed or failed,
        and children that are still under way are cancelled.
        """
        ...

    async def prune(self, older_than_s: float, limit: int) -> int:
        """Deletes at most `limit` tasks that ended so long ago, with their logs; returns how many.

        Dead letters and tasks whose parent is kept stay.
        """
        ...

    async def open_gates(self, limit: int) -> int:
        """Looks at the gates of at most `limit` concurrency keys, each time at others, and lets through whom
        there is room for; returns how many."""
        ...

    async def free_reservations(self, limit: int) -> int:
        """Gives back what was reserved under epochs that are over; returns in how many budgets."""
        ...

    async def fold_load(self, limit: int) -> int:
        """Folds at most `limit` changes of how much is under way into sums; 0 when few are left."""
        ...

    async def bury_workers(self, limit: int) -> int:
        """Gives back at most `limit` tasks of workers that are dead; returns how many.

        A dead worker is forgotten when it owns nothing any more.

        A worker is dead when its heartbeat is older than the time-to-live, or older than the much shorter
        reconnect grace while nobody holds its presence; but nobody is right after a start of the database
        (a restart of PostgreSQL kills no worker).
        """
        ...


class Bell(Protocol):
    """Tells the workers of a queue that it has work. A ring carries no truth and may be lost or doubled."""

    async def ring(self, queue: str, hint: str | None = None) -> None:
        """Returns when the broker has confirmed the ring. Raises `BrokerUnavailable`."""
        ...

    async def check(self) -> None:
        """Raises `BrokerUnavailable` when the broker cannot be reached."""
        ...
