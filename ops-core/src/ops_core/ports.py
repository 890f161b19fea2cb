"""What `ops_core` asks of others. Each port has a fake in `ops_core.testing` and a conformance suite.

The store is three ports because three processes with three rights use it: the doors act for one tenant, a
worker acts for the tasks it owns, upkeep acts for everybody.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn, Protocol

from ops_core.ask import OPENS
from ops_core.budgets.ledger import Settlement, Verdict, Wanted
from ops_core.errors import FieldError
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import Move
from ops_core.task import NOTHING_USED, JsonObject, NewTask, Status, Task, TaskError, Usage, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks to list; a field that is None does not filter."""

    status: Status | None = None
    task_type: str | None = None
    agent: str | None = None
    label: tuple[str, str] | None = None
    parent_task_id: str | None = None
    thread_id: str | None = None
    dead_letter: bool | None = None
    created_after: datetime | None = None
    updated_since: datetime | None = None

    by_update: bool = False
    """What moved last first, instead of the newest. No index serves it, for it would have to be written with
    every step: it looks at as many tasks as the filters leave, as `total` does."""

    def place_of(self, task: Task) -> tuple[datetime, str]:
        """By what its page is in order, the largest first."""
        return task.updated_at if self.by_update else task.created_at, task.task_id


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page, in the order that was asked for. `next_cursor` is None on the last page."""

    tasks: list[Task]
    total: int
    next_cursor: str | None


Decide = Callable[[Task, Sequence[Event]], NewEvent]
"""Makes the event that brings something to a task, or raises a `CallerError`; pure."""


class TaskStore(Protocol):
    """The store as the doors see it: every call acts for one tenant.

    Raises `StoreUnavailable` when PostgreSQL is away.
    """

    async def submit(self, new: NewTask) -> tuple[Task, bool]:
        """Stores the task and its first event in one transaction.

        Returns the task and whether it is new: False when the idempotency key had stored it before.
        Raises `IdempotencyConflict` when the key came with another request, `InvalidRequest` when its
        parent or a task it depends on does not fit, and `NotNow` when too much is under way.
        """
        ...

    async def get(self, tenant_id: str, task_id: str) -> Task:
        """Raises `TaskNotFound`."""
        ...

    async def events(self, tenant_id: str, task_id: str, *, after: int, limit: int) -> list[Event]:
        """The events with `seq > after`, in order. Raises `TaskNotFound`."""
        ...

    async def cancel(self, tenant_id: str, task_id: str) -> Task:
        """Cancels a task that nobody runs; asks the owner of a running one to stop.

        A task already cancelled is returned as it is. Raises `TaskNotFound`, `TaskFinished`.
        """
        ...

    async def retry(self, tenant_id: str, task_id: str) -> Task:
        """Opens the next generation of an ended task: pending, rung soon, on the same log.

        Raises `TaskNotFound`, `TaskNotEnded`, and `InvalidRequest` when a task that it depends on has failed
        or was cancelled.
        """
        ...

    async def log(self, tenant_id: str, task_id: str) -> list[Event]:
        """The whole log, journal included. Raises `TaskNotFound`."""
        ...

    async def signal(self, tenant_id: str, task_id: str, decide: Decide) -> Task:
        """Appends the event that `decide` makes of the task and its log, and wakes the task if it waits.

        Both under the task's row lock. A running task finds the event when it would wait. Raises
        `TaskNotFound`, `TaskFinished`, and what `decide` raises.
        """
        ...

    async def discard(self, tenant_id: str, task_id: str) -> Task:
        """Takes a task off the list of dead letters. Raises `TaskNotFound`, `NotADeadLetter`."""
        ...

    async def check(self) -> str:
        """Returns the database's schema revision; raises `StoreUnavailable`."""
        ...

    async def page(
        self, tenant_id: str, where: TaskFilter, *, limit: int, cursor: str | None
    ) -> TaskPage:
        """Newest first, stable under inserts; or what moved last first.

        Raises `InvalidRequest` for a cursor it did not give out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one task: worthless as soon as the task has a later epoch."""

    tenant_id: str
    task_id: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Append:
    """Events that the owner of a task adds to its log, and what they used."""

    lease: Lease
    events: Sequence[NewEvent]
    usage: Usage
    settles: Settlement | None = None
    """What a step that is paid from budgets has used."""

    is_repeated: bool = False
    """Asked for before, and nobody knows whether it was stored: the store looks, and stores it once."""

    @property
    def asks(self) -> bool:
        """Whether it asks a person for something, which doors show across tasks."""
        return any(event.type in OPENS for event in self.events)

    @property
    def opens_effect(self) -> bool:
        """Whether it holds the intent of a call that must not be made twice."""
        return any(event.type is EventType.TOOL_DISPATCHED for event in self.events)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the owner of a task ends it, when no call of it can be in doubt."""

    lease: Lease
    move: Move


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker learns from its heartbeat."""

    cancelled: frozenset[str]
    """Ids of its tasks that a client asked to cancel."""

    owned: frozenset[Lease]
    """What it still owns; anything else that it runs was taken from it."""

    suspects: bool = False
    """Whether tasks of its queues, that it could run, wait for a worker that runs nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a worker says of itself."""

    alone: bool = False
    """It runs one task at a time and takes only suspects: tasks under which workers have died."""

    pins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By task type: the versions that a task is tied to at its first claim."""

    supports: frozenset[str] = frozenset()
    """Every version, old ones too, that it can run; it is given no task that is tied to another one."""


ORDINARY: Final = Profile()


class Appended(StrEnum):
    """What became of one append of a batch."""

    STORED = "stored"
    LOST = "lost"
    """The lease is no longer good: the worker must stop that task."""

    BUSY = "busy"
    """Somebody else holds the row this moment: ask again with the next batch."""

    CANCELLED = "cancelled"
    """An unsafe effect would begin in a task of which a client was told that it will be cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child of a task ended."""

    task_id: str
    status: Status
    result: JsonObject | None
    error: TaskError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was asked in a thread before, and what came of it: one ended task."""

    task_id: str
    status: Status
    input_data: JsonObject
    result: JsonObject | None


class WorkerStore(Protocol):
    """The store as a worker sees it: claims, steps and settlements of the tasks it owns."""

    async def claim(self, worker_id: str, queues: Sequence[str], count: int) -> list[Task]:
        """Takes at most `count` due tasks, best first, and makes `worker_id` their owner under a new epoch.

        Only tasks that suit the profile that the worker last beat with. One that has not beaten, or was
        declared dead since, gets none.
        """
        ...

    async def history(self, lease: Lease) -> list[Event]:
        """The whole log of the task, journal included, for replay."""
        ...

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        """Commits the batch (at most one append a task) together; tells what became of each append.

        Raises `StoreUnavailable` when it is not known whether the batch was committed.
        """
        ...

    async def settle(self, lease: Lease, move: Move) -> Task:
        """Applies the move, as `met` by what happened meanwhile, in one transaction.

        Raises `LostOwnership`.
        """
        ...

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        """Ends the tasks (each one once) in one transaction; tells of each whether it was ended.

        One that was not is held by somebody else, for a moment or for good: `settle` finds out. For tasks
        without a concurrency key, whose gate would have to be opened. Raises `StoreUnavailable`.
        """
        ...

    async def children(self, lease: Lease, task_ids: Sequence[str]) -> list[ChildEnd]:
        """Those of the children that have ended, with what they came to."""
        ...

    async def definitions(
        self, tenant_id: str, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        """The definitions of these versions of agents, by name and number: they never change."""
        ...

    async def earlier(self, lease: Lease, limit: int) -> list[Exchange]:
        """The last `limit` tasks that ended before this one in its thread, oldest first."""
        ...

    async def reserve(
        self,
        lease: Lease,
        path: str,
        wanted: Wanted,
        budget_ids: Sequence[str],
        *,
        waited: bool = False,
    ) -> Verdict:
        """Reserves in every one of the budgets what the call at `path` may use, or in none of them.

        What was reserved under epochs that are over, or before for this call, does not count. Budgets that
        are not there limit nothing. Raises `LostOwnership`, and `StoreUnavailable`: then nobody knows, and
        asking again reserves once. `waited`: something was in the way before, and the store is to look
        whether it still is before it keeps others from these budgets.
        """
        ...

    async def put_back(self, lease: Lease, path: str, budget_ids: Sequence[str]) -> None:
        """Gives back what is reserved for a call that was not made, or failed."""
        ...

    async def beat(
        self,
        worker_id: str,
        queues: Sequence[str],
        *,
        slots: int,
        running: int,
        profile: Profile = ORDINARY,
    ) -> Orders:
        """Shows that the worker lives, and brings its orders. One row for all its tasks."""
        ...

    def presence(self, worker_id: str) -> AbstractAsyncContextManager[None]:
        """Holds, inside the block, what the store loses at once when this process dies."""
        ...

    async def leave(self, worker_id: str) -> None:
        """Forgets the worker, if it owns nothing (else its tasks would have no one to bury it for).

        What it does own is given back when it is buried, and its end is no death of that task's making.
        """
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKind:
    """What the doors know of the agents that run tasks of a type: pure data as well."""

    definition_schema: dict[str, Any]
    """JSON Schema of a definition. Its `handoffs` and `overrides` are known here, the rest to who runs it."""

    contradictions: Callable[[JsonObject], Iterable[FieldError]] = lambda _: ()
    """What else is wrong with a definition that fits it; pure, with paths that begin with `definition`."""

    config: tuple[str, ...] = ()
    """Where in `input_data` a task says what it does differently from its agent's definition."""

    overridable: tuple[str, ...] = ()
    """What it may say there, when the definition has no `overrides` of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """What the doors know of a task type: pure data, so that no door imports the code that runs it."""

    name: str
    input_schema: dict[str, Any]
    """JSON Schema of `input_data`."""

    agents: frozenset[str] = frozenset({"default"})
    aliases: dict[str, str] = field(default_factory=dict)
    """Older names of keys of `input_data`, each with the name it means."""

    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What a fork may be told to do differently, by short names: each with its place in `input_data`."""

    output_schema: tuple[str, ...] | None = None
    """Where in `input_data` the schema goes that the answer must fit; None where none is taken."""

    agent_kind: AgentKind | None = None
    """What definitions of agents for it look like; None where it has only the `agents` above."""

    asked: str | None = None
    """The key of `input_data` that holds what a person asked: what a thread shows of a task."""

    answered: str | None = None
    """The key of the result that holds the answer."""

    queue: str = "default"
