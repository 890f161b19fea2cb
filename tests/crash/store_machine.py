"""A Hypothesis state machine over the stores: clients, workers and upkeep, in any order.

`family_machine.py` adds what tasks have to do with each other and with the world outside.
"""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from reckoning import ALONE, NEVER, QUEUES, Reckoning, key_of, lease_of
from twin_stores import ALL, GRACE_S, TENANTS, TTL_S, seconds

from ops_core.errors import (
    IdempotencyConflict,
    InvalidRequest,
    LostOwnership,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
)
from ops_core.log import EventType, NewEvent
from ops_core.moves import (
    LONE_DEATHS,
    SUSPECT_DEATHS,
    Move,
    cancel,
    complete,
    deadline_exceeded,
    fail,
    release,
    retry,
)
from ops_core.ports import ORDINARY, Append, Appended, Lease, Profile, TaskKey
from ops_core.task import REOPENED, TERMINAL, NewTask, Status, Task, TaskError, Usage

SLOTS = 3
ERROR = TaskError(type="provider_unavailable", message="Try later.", retryable=True)
USED = Usage(input_tokens=7, output_tokens=2, cost_usd=Decimal("0.001"), steps=1)

#: The result of a step, once in a while one that is kept beside the log.
SMALL, LARGE = "391", "391" * 6000

#: By name, for a sequence of calls that a person can read.
MOVES: dict[str, Move] = {
    "complete": complete({"output": "391"}),
    "fail": fail(ERROR),
    "retry": retry(ERROR, 0.0),
    "rest": retry(replace(ERROR, type="rate_limited"), 8.0),
    "release": release("drained"),
    "cancel": cancel(),
    "deadline": deadline_exceeded(),
}

#: Which of several, counted from the latest: a run is usually one of the last that were claimed.
some = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 8, 13])
workers = st.sampled_from(sorted(QUEUES))


class StoreMachine(Reckoning):
    """One task at a time."""

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
        new = self.new(
            tenant,
            queue=queue,
            input_data={"body": body},
            priority=priority,
            scheduled_at=None if delay_s is None else now + seconds(delay_s),
            deadline_s=deadline_s,
            idempotency_key=key,
            request_hash=body,
        )
        earlier = self.keys.get((tenant, key)) if key else None
        if earlier is None:
            self.stores_new(new)
            if key:
                self.keys[tenant, key] = TaskKey(tenant, new.task_id), body
            return
        answer = self.ask(lambda side: side.tasks.submit(new))
        if earlier[1] != body:
            self.refused(answer, IdempotencyConflict)
        else:
            assert (earlier[0].task_id, False) == (answer[0].task_id, answer[1])  # I2

    def new(self, tenant: str, **fields: object) -> NewTask:
        self.submitted += 1
        return NewTask(
            **{  # type: ignore[arg-type]
                "task_id": f"task_{self.submitted:04}",
                "tenant_id": tenant,
                "task_type": "noop",
                "input_data": {},
                **fields,
            }
        )

    def stores_new(self, new: NewTask) -> Task:
        key = TaskKey(new.tenant_id, new.task_id)
        self.may_change = {key}
        task: Task
        task, created = self.ask(lambda side: side.tasks.submit(new))
        assert created
        now = self.stores.now
        is_held = task.dependencies_left > 0
        self.runnable[key] = NEVER if is_held else max(now, new.scheduled_at or now)
        self.used[key], self.signals[key], self.deaths[key] = Usage(), 0, 0
        return task

    @precondition(lambda self: self.before.tasks)
    @rule(which=some, stranger=st.sampled_from([False, False, False, True]))
    def cancel(self, which: int, stranger: bool) -> None:
        key = self.task(which)
        if stranger:
            other = next(tenant for tenant in TENANTS if tenant != key.tenant_id)
            answer = self.ask(lambda side: side.tasks.cancel(other, key.task_id))
            self.refused(answer, TaskNotFound)
            return
        self.may_change = {key}
        was = replace(self.traces[key])
        answer = self.ask(lambda side: side.tasks.cancel(*key))
        if was.status in TERMINAL and was.status is not Status.CANCELLED:
            self.refused(answer, TaskFinished)  # I8
        elif was.status is Status.RUNNING:
            assert (Status.RUNNING, True) == (answer.status, answer.cancel_requested)
        else:
            assert answer.status is Status.CANCELLED

    @precondition(lambda self: self.before.tasks)
    @rule(which=some)
    def retry(self, which: int) -> None:
        key = self.task(which)
        self.may_change = {key}
        was = replace(self.traces[key])
        answer = self.ask(lambda side: side.tasks.retry(*key))
        if was.status not in REOPENED:
            self.refused(answer, TaskNotEnded)
        elif self.is_barred(key):
            self.refused(answer, InvalidRequest)
        else:
            assert (Status.PENDING, was.generation + 1) == (answer.status, answer.generation)
            if answer.dependencies_left > 0:
                self.runnable[key] = NEVER

    # ---- workers

    @rule(worker=workers, running=st.integers(0, SLOTS))
    def beat(self, worker: str, running: int) -> None:
        profile = Profile(alone=True) if worker == ALONE else ORDINARY
        orders = self.ask(
            lambda side: side.workers.beat(
                worker, QUEUES[worker], slots=SLOTS, running=running, profile=profile
            )
        )
        self.beats[worker], self.free[worker] = self.stores.now, running < SLOTS
        self.left.discard(worker)
        owned = {key: told for key, told in self.traces.items() if told.owner == worker}
        assert orders.owned == {lease_of(key, told) for key, told in owned.items()}
        assert orders.cancelled == {
            key.task_id for key, told in owned.items() if told.cancel_requested
        }
        mine = [key for key in self.due(ALONE) if self.before.tasks[key].queue in QUEUES[worker]]
        assert orders.suspects or not mine

    @rule(worker=workers, count=st.integers(1, SLOTS), beats=st.sampled_from([True, True, False]))
    def claim(self, worker: str, count: int, beats: bool) -> None:
        if beats:
            self.beat(worker, 0)
        due = self.next(worker, count)
        self.may_change = set(due)
        tasks: list[Task] = self.ask(lambda side: side.workers.claim(worker, QUEUES[worker], count))
        assert [key.task_id for key in due] == [task.task_id for task in tasks]
        for key in due:
            lease = lease_of(key, self.traces[key])
            assert worker == lease.owner
            self.leases.append(lease)
            self.read[lease], self.heard[lease] = self.steps_of(key), self.signals[key]

    @rule(
        worker=workers,
        steps=st.integers(0, 2),
        move=st.sampled_from([None, None, *MOVES]),
    )
    def work(self, worker: str, steps: int, move: str | None) -> None:
        """A run as it should be; without a move it is left in the middle."""
        given = len(self.leases)
        self.claim(worker, 1, beats=True)
        if len(self.leases) > given:
            for _ in range(steps):
                self.append([0], 2, SMALL)
            if move is not None:
                self.settle(0, MOVES[move])

    # Stories that chance alone tells too seldom: each begins wherever the example has come to.

    @precondition(lambda self: self.keys)
    @rule(which=some, body=st.sampled_from(["1", "2"]))
    def submit_again(self, which: int, body: str) -> None:
        """A client repeats a request whose answer it did not get, or uses its key for another one."""
        tenant, key = [*self.keys][-1 - which % len(self.keys)]
        self.submit(tenant, "q1", key, body, 0, None, None)

    @rule(worker=workers)
    def overrun(self, worker: str) -> None:
        """A run passes its deadline, which is its owner's to see first."""
        self.submit("default", QUEUES[worker][0], None, "1", 5, None, 4.0)
        self.work(worker, 0, None)
        self.advance(5.0)
        self.expire()
        self.advance(TTL_S)
        self.expire()

    @rule(
        first=workers,
        other=st.one_of(st.none(), workers),
        move=st.sampled_from([None, "complete", "complete", *MOVES]),
    )
    def thaw(self, first: str, other: str | None, move: str | None) -> None:
        """A worker freezes, another one (or itself) gets its task, and the old run goes on."""
        given = len(self.leases)
        self.work(first, 1, None)
        if len(self.leases) == given:
            return
        old = self.leases[-1]
        self.advance(TTL_S + 1)
        self.bury()
        self.claim(other or first, SLOTS, beats=True)
        place = len(self.leases) - 1 - self.leases.index(old)
        self.append([place], 2, SMALL)
        if move is not None:
            self.settle(place, MOVES[move])

    @rule(worker=workers, move=st.sampled_from([None, *MOVES]))
    def interrupt(self, worker: str, move: str | None) -> None:
        """A client cancels a run, which then ends as it ends, or dies."""
        given = len(self.leases)
        self.work(worker, 1, None)
        if len(self.leases) == given:
            return
        key = key_of(self.leases[-1])
        self.cancel(len(self.before.tasks) - 1 - sorted(self.before.tasks).index(key), False)
        self.append_again(0)
        if move is not None:
            self.settle(0, MOVES[move])
        else:
            self.advance(TTL_S + 1)
            self.bury()

    @rule(worker=workers)
    def desert(self, worker: str) -> None:
        """A worker leaves with a run under way, which has a large step in its log."""
        given = len(self.leases)
        self.work(worker, 0, None)
        if len(self.leases) > given:
            self.append([0], 2, LARGE)
            self.replay(0)
            self.leave(worker)
            self.advance(TTL_S + 1)
            self.bury()

    @rule(times=st.integers(2, 6))
    def kill(self, times: int) -> None:
        """Whoever runs what is due first dies; from some death on only a worker that runs alone gets it."""
        for _ in range(times):
            self.beat(ALONE, 0)
            self.work(ALONE if self.due(ALONE) else "w2", 0, None)
            self.advance(TTL_S + 1)
            self.bury()

    @rule(worker=workers, move=st.sampled_from(["rest", "release"]))
    def return_late(self, worker: str, move: str) -> None:
        """Rings come back when their tasks have been run meanwhile."""
        self.advance(GRACE_S)
        self.beat(worker, 0)
        given = len(self.rings)
        self.take_rings()
        old = self.rings[given:]
        if not old:
            return
        self.work(worker, 0, move)
        self.ask(lambda side: side.upkeep.return_rings(old))
        self.take_rings()
        self.advance(TTL_S)
        self.beat(worker, 0)
        self.take_rings()
        self.ask(lambda side: side.upkeep.return_rings(old))  # rung as often, under another epoch
        self.take_rings()

    @precondition(lambda self: self.leases)
    @rule(
        which=st.lists(some, min_size=1, max_size=3),
        events=st.integers(0, 2),
        value=st.sampled_from([SMALL, SMALL, SMALL, LARGE]),
    )
    def append(self, which: list[int], events: int, value: str) -> None:
        """A step of each of these runs, whether it still owns its task or not; or only its beginning."""
        leases = {key_of(lease): lease for lease in map(self.lease, which)}.values()
        batch = [Append(lease, self._step(lease, events, value), USED) for lease in leases]
        expected = [self._outcome(append) for append in batch]
        stored = [a for a, how in zip(batch, expected, strict=True) if how is Appended.STORED]
        self.may_change = {key_of(append.lease) for append in stored}
        for append in stored:
            self._stored(append, finished=events > 0)
        assert expected == self.ask(lambda side: side.workers.append(batch))

    @precondition(lambda self: self.sent)
    @rule(which=some)
    def append_again(self, which: int) -> None:
        """The answer to an append was lost: asked again, it is told of, and nothing is added."""
        lease, append = [*self.sent.items()][-1 - which % len(self.sent)]
        expected = Appended.STORED if self.is_good(lease) else Appended.LOST
        again = [replace(append, is_repeated=True)]
        assert [expected] == self.ask(lambda side: side.workers.append(again))

    def _outcome(self, append: Append) -> Appended:
        """Only the holder writes (I7), and begins no effect in a task that is to be cancelled (I8)."""
        if not self.is_good(append.lease):
            return Appended.LOST
        asked = self.traces[key_of(append.lease)].cancel_requested
        return Appended.CANCELLED if append.opens_effect and asked else Appended.STORED

    def _stored(self, append: Append, *, finished: bool) -> None:
        key = key_of(append.lease)
        self.sent[append.lease] = append
        self.used[key] += append.usage
        if finished:
            self.read[append.lease] += 1
            self.deaths[key] = 0

    def _step(self, lease: Lease, events: int, value: str) -> list[NewEvent]:
        path = f"{self.read[lease] + 1}/tool"
        begun = NewEvent(type=EventType.TOOL_DISPATCHED, journal={"path": path})
        journal = {"path": path, "value": value}
        done = NewEvent(type=EventType.TOOL_COMPLETED, data={"n": 1}, journal=journal)
        return [[begun], [done], [begun, done]][events]

    @precondition(lambda self: self.leases)
    @rule(which=some, move=st.sampled_from(sorted(MOVES)))
    def finish(self, which: int, move: str) -> None:
        self.settle(which, MOVES[move])

    def settle(self, which: int, move: Move) -> None:
        lease = self.lease(which)
        key, good = key_of(lease), self.is_good(lease)
        to = self._leads_to(key, move) if good else None
        self.may_change = {key} if good else set()
        answer = self.ask(lambda side: side.workers.settle(lease, move))
        if to is None:
            self.refused(answer, LostOwnership)  # I7
            return
        assert answer.status is to
        if to is Status.WAITING:
            self.wakes[key] = min((w.until for w in move.waits if w.until), default=None)

    def _leads_to(self, key: TaskKey, move: Move) -> Status:
        """No accepted cancellation is forgotten (I8), no signal is slept through."""
        if move.to in TERMINAL:
            return move.to
        if self.traces[key].cancel_requested:
            return Status.CANCELLED
        slept = move.to is Status.WAITING and self.signals[key] > move.seen_signals
        return Status.PENDING if slept else move.to

    @rule(worker=workers)
    def leave(self, worker: str) -> None:
        self.ask(lambda side: side.workers.leave(worker))
        self.left.add(worker)
        self.forget(worker)

    @precondition(lambda self: self.leases)
    @rule(which=some)
    def replay(self, which: int) -> None:
        lease = self.lease(which)
        history = self.ask(lambda side: side.workers.history(lease))
        assert history == self.before.logs.get(key_of(lease), [])

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
        ends = {key: self._orphaned(key, told.owner or "") for key, told in orphans.items()}
        assert len(orphans) == self.ask(lambda side: side.upkeep.bury_workers(ALL))
        assert ends == {key: self.traces[key].status for key in orphans}
        for name in dead:
            self.forget(name)

    def _orphaned(self, key: TaskKey, owner: str) -> Status:
        if self.traces[key].cancel_requested:
            return Status.CANCELLED
        if owner in self.left:
            return Status.PENDING
        self.deaths[key] += 1
        if owner == ALONE and self.deaths[key] >= SUSPECT_DEATHS + LONE_DEATHS:
            return Status.FAILED
        return Status.PENDING

    @rule()
    def expire(self) -> None:
        expired = {key for key in self.traces if self.is_expired(key)}
        self.may_change = expired
        assert len(expired) == self.ask(lambda side: side.upkeep.expire(ALL))
        assert all(self.traces[key].status is Status.FAILED for key in expired)

    @rule()
    def take_rings(self) -> None:
        for taken in self.ask_for_rings():
            self.rings += taken.rows
            heard = sum(taken.queue in QUEUES[name] for name in self.listening())
            assert 1 <= taken.count == min(heard, len(taken.rows))
            for row in taken.rows:
                was = self.traces[row.key]
                assert (Status.PENDING, row.epoch) == (was.status, was.epoch)
                assert self.runnable[row.key] <= self.stores.now

    @precondition(lambda self: self.rings)
    @rule(which=st.lists(some, min_size=1, max_size=3))
    def return_rings(self, which: list[int]) -> None:
        keys = {self.rings[-1 - i % len(self.rings)].key: None for i in which}
        rows = [next(row for row in reversed(self.rings) if row.key == key) for key in keys]
        here = [row for row in rows if row.key in self.before.tasks]
        self.ask(lambda side: side.upkeep.return_rings(here))

    def teardown(self) -> None:
        """Progress: with workers that live and upkeep, by rings alone, every task comes to its end (I4)."""
        for _ in range(40 + len(self.traces)):  # a round for each task of the longest chain
            if all(told.status in TERMINAL for told in self.traces.values()):
                return
            self.advance(TTL_S + 1)
            self.upkeep()
            self.beat("w2", 0)
            for taken in self.ask_for_rings():
                for _ in taken.rows:
                    self.work("w2", 1, "complete")
            self.beat(ALONE, 0)
            while any(self.is_suspect(key) for key in self.due(ALONE)):
                self.work(ALONE, 1, "complete")
        raise AssertionError(f"never ended: {self.before.tasks}")

    def upkeep(self) -> None:
        self.bury()
        self.expire()
