"""What a worker runs, and what it is given for that."""

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn, Protocol

from ops_core.budgets.ledger import Wanted
from ops_core.log import Event, NewEvent
from ops_core.ports.workers import ChildEnd, Exchange
from ops_core.task import NOTHING_USED, JsonObject, Task, Usage, Wait


class Purse(Protocol):
    """What the calls of one run are paid from: the budgets that hold for its task."""

    async def reserve(self, path: str, wanted: Wanted) -> None:
        """Before a call: returns when it may be made. Waits while what others reserved is in the way.

        Raises `TaskFailed` when a budget does not hold it.
        """
        ...

    async def put_back(self, path: str) -> None:
        """After a call that failed: it used nothing that anybody knows of."""
        ...


class TaskLog(Protocol):
    """The log of the task that a handler is running."""

    purse: Purse | None
    """None where no budget holds."""

    history: Sequence[Event]
    """What was in the log when the task was claimed, journal included; empty at its very first claim."""

    async def append(self, *events: NewEvent, usage: Usage = NOTHING_USED) -> None:
        """Returns when the events are on disk. Raises `LostOwnership`: the handler must stop."""
        ...

    async def read(self) -> Sequence[Event]:
        """The whole log as it stands now, journal included."""
        ...

    async def children(self, task_ids: Sequence[str]) -> list[ChildEnd]:
        """Those of the task's children that have ended."""
        ...

    async def definitions(
        self, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        """The definitions of these versions of agents of the task's tenant."""
        ...

    async def earlier(self, limit: int) -> list[Exchange]:
        """The last `limit` tasks that ended before this one in its thread, oldest first.

        It may say more another time (an earlier task that is retried): keep it in the journal.
        """
        ...

    def now(self) -> datetime:
        """The database's time, as well as this process knows it."""
        ...

    def suspend(self, wait: Wait) -> NoReturn:
        """Ends the handler until something comes: notes what is waited for and raises `TaskWaits`.

        Parallel branches may each suspend; the task then waits for whichever comes first.
        """
        ...


class TaskHandler(Protocol):
    """Runs one type of task. The worker knows nothing else of what is run."""

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        """Returns the task's result, or raises `TaskFailed`. Cancellation must pass through."""
        ...
