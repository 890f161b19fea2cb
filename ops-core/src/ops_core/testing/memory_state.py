"""What the in-memory store keeps, and the rules by which a task moves in it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ops_core.admission import UNLIMITED, AdmissionLimits
from ops_core.amounts import Amounts
from ops_core.ask import AskLedger
from ops_core.budgets.ledger import Budget
from ops_core.effects import unknown_effects
from ops_core.errors import TaskNotFound
from ops_core.family import DEFAULT_FAMILY_LIMITS, FamilyLimits
from ops_core.flow.key_limit import Bucket, KeyLimit
from ops_core.hook import TaskHook
from ops_core.log import Event, NewEvent
from ops_core.moves import Move
from ops_core.ports import ORDINARY, Lease, Profile, TaskKey
from ops_core.task import TERMINAL, Reason, Status, Task
from ops_core.testing.memory_agents import MemoryAgentStore
from ops_core.testing.memory_threads import MemoryThreadStore

#: When a task runs whose dependencies are not done.
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class StoredTask:
    """A task and what the table keeps beside it."""

    task: Task
    runnable_at: datetime
    ring_at: datetime | None
    rings: int = 0
    wait_until: datetime | None = None
    children_needed: int | None = None
    children: int = 0
    depth: int = 0
    needs: set[str] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)
    """Those of `needs` whose end, whatever it is, is all that is needed."""

    watched: bool = False
    pins: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reserved:
    """What a call has reserved of a budget."""

    epoch: int
    amounts: Amounts


@dataclass
class FlowState:
    """What decides who may go on, and what is paid from what."""

    clock: Callable[[], datetime]
    turn: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    limits: dict[tuple[str, str], KeyLimit] = field(default_factory=dict)
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    budgets: dict[tuple[str, str], Budget] = field(default_factory=dict)
    reservations: dict[tuple[str, str, str, str], Reserved] = field(default_factory=dict)
    """By tenant, budget, task and path of the step."""


@dataclass
class StoredWorker:
    """The heartbeat of one worker."""

    queues: frozenset[str]
    slots: int
    running: int
    heartbeat_at: datetime
    profile: Profile = ORDINARY
    started_at: datetime = NEVER
    drain_at: datetime | None = None

    @property
    def takes_none(self) -> bool:
        """Whether it drains, or is to."""
        return self.profile.draining or self.drain_at is not None


class MemoryState:
    """The tables, as dictionaries. One role a subclass adds its verbs."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        heartbeat_ttl_s: float = 10.0,
        ring_grace_s: float = 5.0,
        ring_grace_max_s: float = 300.0,
        limits: FamilyLimits = DEFAULT_FAMILY_LIMITS,
        admission: AdmissionLimits = UNLIMITED,
    ) -> None:
        self._clock = clock
        self._ttl = self.heartbeat_ttl = timedelta(seconds=heartbeat_ttl_s)
        self._grace_s = ring_grace_s
        self._grace_max_s = ring_grace_max_s
        self._rows: dict[TaskKey, StoredTask] = {}
        self._keys: dict[tuple[str, str], tuple[TaskKey, str]] = {}
        self._log: defaultdict[TaskKey, list[Event]] = defaultdict(list)
        self._workers = self.workers = dict[str, StoredWorker]()
        self._outbox: list[TaskKey] = []
        self._asks: dict[TaskKey, AskLedger] = {}
        self._limits = limits
        self._admission = admission
        self.flow = FlowState(clock)
        self.agents = MemoryAgentStore(clock)
        self.threads = MemoryThreadStore(clock, lambda *key: self._row(*key).task)
        self.hooks: dict[TaskKey, TaskHook] = {}
        self.own_limits: dict[str, int] = {}
        #: What is told of each event, with the task as it then is: a fake beside this one.
        self.heard_by: list[Callable[[Task, Event], None]] = []

    def now(self) -> datetime:
        """The clock that decides."""
        return self._clock()

    def owned_by(self, worker_id: str) -> int:
        """How many tasks it owns."""
        return sum(row.task.owner == worker_id for row in self._rows.values())

    def stored(self) -> Sequence[StoredTask]:
        """All tasks, of every tenant."""
        return [*self._rows.values()]

    @property
    def ends_waiting(self) -> int:
        """How many ends others have not been told of."""
        return len(self._outbox)

    def event_of(self, key: TaskKey, seq: int) -> tuple[Event, Task] | tuple[None, None]:
        """An event with its task, if both are kept."""
        row, log = self._rows.get(key), self._log.get(key, [])
        return (log[seq - 1], row.task) if row and 0 < seq <= len(log) else (None, None)

    def _row(self, tenant_id: str, task_id: str) -> StoredTask:
        row = self._rows.get(TaskKey(tenant_id, task_id))
        if row is None:
            raise TaskNotFound(task_id)
        return row

    def _holds(self, lease: Lease) -> bool:
        row = self._rows.get(TaskKey(lease.tenant_id, lease.task_id))
        return (
            row is not None
            and row.task.status is Status.RUNNING
            and (row.task.owner, row.task.epoch) == (lease.owner, lease.epoch)
        )

    def _apply(self, key: TaskKey, move: Move) -> bool:
        row = self._rows[key]
        if row.task.status not in move.sources:
            return False
        now = self._clock()
        if move.doubt is not None:
            for event in unknown_effects(self._log[key], move.doubt):
                self._add(key, event)
        row.wait_until = min((w.until for w in move.waits if w.until), default=None)
        needed = [w.children_needed for w in move.waits if w.children_needed is not None]
        row.children_needed = min(needed, default=None)
        row.task = replace(
            row.task,
            status=move.to,
            waiting_for=[w.public() for w in move.waits] or None,
            deaths=0 if move.opens_generation else row.task.deaths + move.died,
            dead_letter_at=now if move.dead_letter else None,
            reason=move.reason,
            result=move.result,
            error=move.error,
            owner=None,
            cancel_requested=False,
            completed_at=now if move.to in TERMINAL else None,
            updated_at=now,
        )
        if move.opens_generation:
            deadline_s = self._log[key][0].data.get("deadline_s")
            parent = self._rows.get(TaskKey(key.tenant_id, row.task.parent_task_id or ""))
            row.task = _next_generation(row.task, now, deadline_s, parent.task if parent else None)
        row.ring_at, row.rings = None, 0
        is_gated = move.to is Status.PENDING and row.task.concurrency_key is not None
        row.task = replace(row.task, gated=is_gated)
        if move.to is Status.PENDING and row.needs:
            row.runnable_at = NEVER
            row.task = replace(row.task, reason=Reason.DELAYED)
        elif move.to is Status.PENDING:
            row.runnable_at = now + timedelta(seconds=move.delay_s)
            row.ring_at = None if row.task.gated else row.runnable_at
        self._add(key, move.event)
        if move.to in TERMINAL and (row.task.parent_task_id or row.watched or row.children):
            self._outbox.append(key)
        return True

    def _signal(self, key: TaskKey) -> None:
        row = self._rows[key]
        row.task = replace(row.task, signals=row.task.signals + 1)

    def _add(self, key: TaskKey, new: NewEvent) -> None:
        row = self._rows[key]
        now = self._clock()
        row.task = replace(row.task, last_seq=row.task.last_seq + 1, updated_at=now)
        event = Event(
            task_id=key.task_id,
            seq=row.task.last_seq,
            at=now,
            type=new.type,
            v=new.v,
            data=new.data,
            journal=new.journal,
        )
        self._log[key].append(event)
        self._asks.setdefault(key, AskLedger(key.tenant_id)).take(event)
        for hear in self.heard_by:
            hear(row.task, event)

    def _forget(self, worker_id: str) -> None:
        if not self.owned_by(worker_id):
            self._workers.pop(worker_id, None)


def _next_generation(
    task: Task, now: datetime, deadline_s: float | None, parent: Task | None
) -> Task:
    """Its own deadline begins anew; that of a parent which is still under way holds."""
    own = now + timedelta(seconds=deadline_s) if deadline_s else None
    inherited = parent.deadline_at if parent and not parent.is_terminal else None
    deadline_at = min((end for end in (own, inherited) if end), default=None)
    return replace(task, generation=task.generation + 1, attempt=0, deadline_at=deadline_at)
