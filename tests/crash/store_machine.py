"""A Hypothesis state machine over the stores: clients, three workers and upkeep, in any order.

The machine knows no store. What it expects of an operation it reckons from the logs before it (`log_trace`),
from what it did itself, and from the rules of the ports; what an operation may not touch must be as it was.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from log_trace import Trace, check_row, trace
from twin_stores import ALL, TENANTS, TTL_S, Refused, Seen, Twins, seconds

from ops_core.errors import (
    IdempotencyConflict,
    LostOwnership,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
)
from ops_core.log import EventType, NewEvent
from ops_core.moves import (
    Move,
    cancel,
    complete,
    deadline_exceeded,
    fail,
    release,
    retry,
)
from ops_core.ports import Append, Appended, Lease, PutOff, TakenRings, TaskKey
from ops_core.task import REOPENED, TERMINAL, NewTask, Status, Task, TaskError, Usage

#: Each worker with the queues that it serves.
QUEUES = {"w1": ["q1"], "w2": ["q1", "q2"], "w3": ["q2"]}

SLOTS = 3
ERROR = TaskError(type="provider_unavailable", message="Try later.", retryable=True)
USED = Usage(input_tokens=7, output_tokens=2, cost_usd=Decimal("0.001"), steps=1)

MOVES: list[Move] = [
    complete({"output": "391"}),
    fail(ERROR),
    retry(ERROR, 0.0),
    retry(replace(ERROR, type="rate_limited"), 8.0),
    release("drained"),
    cancel(),
    deadline_exceeded(),
]

#: Which of several, counted from the latest: a run is usually one of the last that were claimed.
some = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 8, 13])
workers = st.sampled_from(sorted(QUEUES))


class StoreMachine(RuleBasedStateMachine):
    """`twins` makes fresh stores; `run` runs a coroutine on the one event loop of the test."""

    twins: Callable[[], Twins]
    run: Callable[[Any], Any]

    def __init__(self) -> None:
        super().__init__()
        self.stores: Twins = type(self).twins()
        self.before = Seen({}, {})
        self.traces: dict[TaskKey, Trace] = {}
        self.keys: dict[tuple[str, str], tuple[TaskKey, str]] = {}
        self.leases: list[Lease] = []
        """Every lease that was ever given, so most of them are stale."""

        self.read: dict[Lease, int] = {}
        """How many steps the run under a lease knows: what it found in the log, and its own."""

        self.used: dict[TaskKey, Usage] = {}
        self.runnable: dict[TaskKey, datetime] = {}
        self.beats: dict[str, datetime] = {}
        """The listed workers, and when each showed itself last."""

        self.free: dict[str, bool] = {}
        self.rings: list[PutOff] = []
        self.may_change: set[TaskKey] = set()

    @initialize()
    def begin(self) -> None:
        """Workers listen and have work: most of what can go wrong needs somebody who runs something."""
        for worker in QUEUES:
            self.beat(worker, 0)
        for priority in (0, 5):
            self.submit("default", "q1", None, "1", priority, None, None)

    # ---- clients

    @rule(
        tenant=st.sampled_from(TENANTS),
        queue=st.sampled_from(["q1", "q1", "q2"]),
        key=st.sampled_from([None, None, None, None, "a", "b"]),
        body=st.sampled_from(["1", "1", "2"]),
        priority=st.sampled_from([0, 0, 0, 5, -5]),
        delay_s=st.sampled_from([None, None, None, None, -3.0, 6.0, 30.0]),
        deadline_s=st.sampled_from([None, None, None, 4.0, 25.0]),
    )
    def submit(
        self,
        tenant: str,
        queue: str,
        key: str | None,
        body: str,
        priority: int,
        delay_s: float | None,
        deadline_s: float | None,
    ) -> None:
        now = self.stores.now
        new = NewTask(
            task_id=f"task_{len(self.before.tasks):04}",
            tenant_id=tenant,
            task_type="noop",
            queue=queue,
            input_data={"body": body},
            priority=priority,
            scheduled_at=None if delay_s is None else now + seconds(delay_s),
            deadline_s=deadline_s,
            idempotency_key=key,
            request_hash=body,
        )
        name = TaskKey(tenant, new.task_id)
        earlier = self.keys.get((tenant, key)) if key else None
        self.may_change = set() if earlier else {name}
        answer = self._ask(lambda side: side.tasks.submit(new))
        if earlier is None:
            assert answer[1]
            self.runnable[name] = max(now, new.scheduled_at or now)
            self.used[name] = Usage()
            if key:
                self.keys[tenant, key] = name, body
        elif earlier[1] != body:
            self._refused(answer, IdempotencyConflict)
        else:
            assert (earlier[0].task_id, False) == (answer[0].task_id, answer[1])  # I2

    @precondition(lambda self: self.before.tasks)
    @rule(which=some, stranger=st.sampled_from([False, False, False, True]))
    def cancel(self, which: int, stranger: bool) -> None:
        key = self._task(which)
        if stranger:
            self.may_change = set()
            other = next(tenant for tenant in TENANTS if tenant != key.tenant_id)
            self._refused(
                self._ask(lambda side: side.tasks.cancel(other, key.task_id)), TaskNotFound
            )
            return
        self.may_change = {key}
        was = self.traces[key]
        answer = self._ask(lambda side: side.tasks.cancel(*key))
        if was.status in TERMINAL and was.status is not Status.CANCELLED:
            self._refused(answer, TaskFinished)  # I8
        elif was.status is Status.RUNNING:
            assert (Status.RUNNING, True) == (answer.status, answer.cancel_requested)
        else:
            assert answer.status is Status.CANCELLED

    @precondition(lambda self: self.before.tasks)
    @rule(which=some)
    def retry(self, which: int) -> None:
        key = self._task(which)
        self.may_change = {key}
        was = self.traces[key]
        answer = self._ask(lambda side: side.tasks.retry(*key))
        if was.status in REOPENED:
            assert (Status.PENDING, was.generation + 1) == (answer.status, answer.generation)
            self.runnable[key] = self.stores.now
        else:
            self._refused(answer, TaskNotEnded)

    # ---- workers

    @rule(worker=workers, running=st.integers(0, SLOTS))
    def beat(self, worker: str, running: int) -> None:
        self.may_change = set()
        orders = self._ask(
            lambda side: side.workers.beat(worker, QUEUES[worker], slots=SLOTS, running=running)
        )
        self.beats[worker], self.free[worker] = self.stores.now, running < SLOTS
        owned = {key: told for key, told in self.traces.items() if told.owner == worker}
        assert orders.owned == {_lease(key, told) for key, told in owned.items()}
        assert orders.cancelled == {
            key.task_id for key, told in owned.items() if told.cancel_requested
        }

    @rule(worker=workers, count=st.integers(1, SLOTS), beats=st.sampled_from([True, True, False]))
    def claim(self, worker: str, count: int, beats: bool) -> None:
        if beats:
            self.beat(worker, 0)
        due = sorted(self._due(worker), key=self._rank)[:count]
        self.may_change = set(due)
        tasks: list[Task] = self._ask(
            lambda side: side.workers.claim(worker, QUEUES[worker], count)
        )
        assert [key.task_id for key in due] == [task.task_id for task in tasks]
        for key in due:
            lease = _lease(key, self.traces[key])
            assert (worker, lease.epoch) == (self.before.tasks[key].owner, lease.epoch)
            self.leases.append(lease)
            self.read[lease] = len(self.traces[key].steps)

    @rule(
        worker=workers,
        steps=st.integers(0, 2),
        move=st.one_of(st.none(), st.sampled_from(MOVES)),
    )
    def work(self, worker: str, steps: int, move: Move | None) -> None:
        """A run as it should be; without a move it is left in the middle."""
        given = len(self.leases)
        self.claim(worker, 1, beats=True)
        if len(self.leases) > given:
            for _ in range(steps):
                self.append([0], 2)
            if move is not None:
                self.settle(0, move)

    @precondition(lambda self: self.leases)
    @rule(which=st.lists(some, min_size=1, max_size=3), events=st.integers(1, 2))
    def append(self, which: list[int], events: int) -> None:
        """A step of each of these runs, whether it still owns its task or not."""
        leases = {lease.task_id: lease for lease in map(self._a_lease, which)}.values()
        good = {lease for lease in leases if self._holds(lease)}
        self.may_change = {_key(lease) for lease in good}
        batch = [Append(lease, self._step(lease, events), USED) for lease in leases]
        outcomes = self._ask(lambda side: side.workers.append(batch))
        assert outcomes == [
            Appended.STORED if lease in good else Appended.LOST for lease in leases
        ]  # I7
        for lease in good:
            self.read[lease] += 1
            self.used[_key(lease)] += USED

    @precondition(lambda self: self.leases)
    @rule(which=some, move=st.sampled_from(MOVES))
    def settle(self, which: int, move: Move) -> None:
        lease = self._a_lease(which)
        key, good = _key(lease), self._holds(lease)
        owed = good and self.traces[key].cancel_requested and move.to is Status.PENDING
        self.may_change = {key} if good else set()
        answer = self._ask(lambda side: side.workers.settle(lease, move))
        if not good:
            self._refused(answer, LostOwnership)  # I7
            return
        assert answer.status is (Status.CANCELLED if owed else move.to)
        self.runnable[key] = self.stores.now + seconds(move.delay_s)

    @rule(worker=workers)
    def leave(self, worker: str) -> None:
        self.may_change = set()
        self._ask(lambda side: side.workers.leave(worker))
        self._forget(worker)

    @precondition(lambda self: self.leases)
    @rule(which=some)
    def replay(self, which: int) -> None:
        self.may_change = set()
        lease = self._a_lease(which)
        history = self._ask(lambda side: side.workers.history(lease))
        assert history == self.before.logs[_key(lease)]

    # ---- time and upkeep

    @rule(by=st.sampled_from([1.0, 4.0, 11.0, 61.0]))
    def advance(self, by: float) -> None:
        """A worker that does not beat meanwhile has died, or is frozen, which looks the same."""
        self.stores.advance(by)

    @rule()
    def bury(self) -> None:
        dead = {name for name, at in self.beats.items() if at < self.stores.now - seconds(TTL_S)}
        orphans = {key: told for key, told in self.traces.items() if told.owner in dead}
        self.may_change = set(orphans)
        assert len(orphans) == self._ask(lambda side: side.upkeep.bury_workers(ALL))
        for key, was in orphans.items():
            to = Status.CANCELLED if was.cancel_requested else Status.PENDING
            assert to is self.traces[key].status
            self.runnable[key] = self.stores.now
        for name in dead:
            self._forget(name)

    @rule()
    def expire(self) -> None:
        expired = {key for key in self.traces if self._is_expired(key)}
        self.may_change = expired
        assert len(expired) == self._ask(lambda side: side.upkeep.expire(ALL))
        assert all(self.traces[key].status is Status.FAILED for key in expired)

    @rule()
    def take_rings(self) -> None:
        self.may_change = set()
        for taken in self._take_rings():
            self.rings += taken.rows
            heard = sum(taken.queue in QUEUES[name] for name in self._listening())
            assert 1 <= taken.count == min(heard, len(taken.rows))
            for row in taken.rows:
                was = self.traces[row.key]
                assert (Status.PENDING, row.epoch) == (was.status, was.epoch)
                assert self.runnable[row.key] <= self.stores.now

    @precondition(lambda self: self.rings)
    @rule(which=st.lists(some, min_size=1, max_size=3))
    def return_rings(self, which: list[int]) -> None:
        self.may_change = set()
        rows = list({self.rings[-1 - i % len(self.rings)].key: None for i in which})
        back = [next(row for row in reversed(self.rings) if row.key == key) for key in rows]
        self._ask(lambda side: side.upkeep.return_rings(back))

    # ---- what holds after every step

    @invariant()
    def rows_say_what_logs_say(self) -> None:
        assert set(self.before.tasks) == set(self.before.logs) == set(self.runnable)
        for key, task in self.before.tasks.items():
            log = [asdict(event) for event in self.before.logs[key]]
            assert [] == check_row(asdict(task), log), (key, log)  # I3, I5, I8, no gap in seq
            assert self.used[key] == task.usage

    def teardown(self) -> None:
        """Progress: with a worker that lives and upkeep, by rings alone, every task comes to its end."""
        for _ in range(40):
            if all(told.status in TERMINAL for told in self.traces.values()):
                return
            self.advance(TTL_S + 1)
            self.bury()
            self.expire()
            self.beat("w2", 0)
            for taken in self._take_rings():
                for _ in taken.rows:
                    self.work("w2", 1, MOVES[0])
        raise AssertionError(f"never ended: {self.before.tasks}")

    # ---- the machine's own reckoning

    def _ask(self, act: Callable[[Any], Any]) -> Any:
        """Asks the stores, and holds what is there against what was."""
        answer = type(self).run(self.stores.ask(act))
        after: Seen = type(self).run(self.stores.seen())
        for key, log in self.before.logs.items():
            assert log == after.logs[key][: len(log)], "what is in a log stays there"  # I5
            if key not in self.may_change:
                assert self.before.tasks[key] == after.tasks[key], "nobody asked for this"
                assert len(log) == len(after.logs[key]), "nobody asked for this"
        assert set(after.tasks) - set(self.before.tasks) <= self.may_change
        self.before = after
        self.traces = {key: trace(map(asdict, log)) for key, log in after.logs.items()}
        return answer

    def _refused(self, answer: object, error: type[Exception]) -> None:
        assert isinstance(answer, Refused), answer
        assert answer.error is error

    def _take_rings(self) -> list[TakenRings]:
        async def ask(side: Any) -> list[TakenRings]:
            taken = await side.upkeep.take_rings(ALL)
            rows = [replace(rings, rows=sorted(rings.rows)) for rings in taken]
            return sorted(rows, key=lambda rings: rings.queue)

        self.may_change = set()
        found: list[TakenRings] = self._ask(ask)
        return found

    def _task(self, which: int) -> TaskKey:
        return sorted(self.before.tasks)[-1 - which % len(self.before.tasks)]

    def _a_lease(self, which: int) -> Lease:
        return self.leases[-1 - which % len(self.leases)]

    def _holds(self, lease: Lease) -> bool:
        told = self.traces[_key(lease)]
        return (told.owner, told.epoch) == (lease.owner, lease.epoch)

    def _step(self, lease: Lease, events: int) -> list[NewEvent]:
        path = f"{self.read[lease] + 1}/tool"
        begun = NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": path})
        done = NewEvent(
            type=EventType.TOOL_COMPLETED, data={"n": 1}, journal={"path": path, "value": 1}
        )
        return [begun, done][-events:]

    def _due(self, worker: str) -> list[TaskKey]:
        if worker not in self.beats:
            return []
        return [
            key
            for key, task in self.before.tasks.items()
            if task.status is Status.PENDING
            and task.queue in QUEUES[worker]
            and self.runnable[key] <= self.stores.now
            and (task.deadline_at is None or task.deadline_at > self.stores.now)
        ]

    def _rank(self, key: TaskKey) -> tuple[int, datetime, str]:
        return -self.before.tasks[key].priority, self.runnable[key], key.task_id

    def _is_expired(self, key: TaskKey) -> bool:
        task = self.before.tasks[key]
        if task.deadline_at is None or task.is_terminal:
            return False
        grace = seconds(TTL_S if task.status is Status.RUNNING else 0)
        return task.deadline_at + grace <= self.stores.now

    def _listening(self) -> list[str]:
        alive = self.stores.now - seconds(TTL_S)
        return [name for name, at in self.beats.items() if at > alive and self.free[name]]

    def _forget(self, worker: str) -> None:
        if not any(told.owner == worker for told in self.traces.values()):
            self.beats.pop(worker, None)


def _key(lease: Lease) -> TaskKey:
    return TaskKey(lease.tenant_id, lease.task_id)


def _lease(key: TaskKey, told: Trace) -> Lease:
    assert told.owner is not None
    return Lease(*key, told.owner, told.epoch)
