"""The state machine of `store_machine.py`, with waits, signals, families, forks and retention."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from reckoning import key_of
from store_machine import StoreMachine, some, workers
from twin_stores import ALL, seconds

from ops_core.errors import InvalidRequest, NotADeadLetter, TaskFinished
from ops_core.family import DEFAULT_FAMILY_LIMITS
from ops_core.log import Event, EventType, NewEvent
from ops_core.moves import wait
from ops_core.ports import TaskKey
from ops_core.task import REOPENED, TERMINAL, Reason, Status, Task, Wait


class FamilyMachine(StoreMachine):
    """Tasks that wait, and that belong together."""

    signalled = 0

    def __init__(self) -> None:
        super().__init__()
        self.depths: dict[TaskKey, int] = {}
        """How many tasks stand above one."""

    # ---- waits and signals

    @precondition(lambda self: self.leases)
    @rule(which=some, reason=st.sampled_from([Reason.TIMER, Reason.INPUT, Reason.CHILD]))
    def suspend(self, which: int, reason: Reason) -> None:
        lease = self.lease(which)
        until = self.stores.now + seconds(6) if reason is Reason.TIMER else None
        needed = 1 if reason is Reason.CHILD else None
        waits = [Wait(reason=reason, step="9/wait", until=until, children_needed=needed)]
        self.settle(which, wait(waits, self.heard[lease]))

    @precondition(lambda self: self.before.tasks)
    @rule(which=some)
    def signal(self, which: int) -> None:
        key = self.task(which)
        was = replace(self.traces[key])
        self.signalled += 1
        path = f"in/{self.signalled}"

        def decide(task: Task, log: Sequence[Event]) -> NewEvent:
            assert task == self.before.tasks[key]
            assert [*log] == self.before.logs[key]
            return NewEvent(type=EventType.INPUT_RECEIVED, journal={"path": path, "value": 1})

        self.may_change = {key}
        answer = self.ask(lambda side: side.tasks.signal(*key, decide))
        if was.status in TERMINAL:
            self.refused(answer, TaskFinished)
            return
        self.signals[key] += 1
        assert answer.status is (
            Status.PENDING if was.status is Status.WAITING else was.status
        )  # no lost wake-up

    @rule(worker=workers)
    def answer_early(self, worker: str) -> None:
        """An answer comes while the run that will ask for it is still under way."""
        given = len(self.leases)
        self.work(worker, 1, None)
        if len(self.leases) > given:
            key = key_of(self.leases[-1])
            self.signal(len(self.before.tasks) - 1 - sorted(self.before.tasks).index(key))
            self.suspend(0, Reason.INPUT)

    @rule(worker=workers)
    def sleep(self, worker: str) -> None:
        """A run ends until its time has come."""
        given = len(self.leases)
        self.work(worker, 1, None)
        if len(self.leases) > given:
            self.suspend(0, Reason.TIMER)
            self.advance(5.0)
            self.wake()
            self.advance(1.0)
            self.wake()

    @rule(worker=workers, is_early=st.booleans())
    def await_child(self, worker: str, is_early: bool) -> None:
        """A run starts a child and waits for its end, which comes before that or after."""
        given = len(self.leases)
        self.work(worker, 1, None)
        if len(self.leases) == given or self.depths.get(key_of(self.leases[-1]), 0) > 0:
            return
        parent = key_of(self.leases[-1])
        self.submit_child(
            len(self.before.tasks) - 1 - sorted(self.before.tasks).index(parent), None
        )
        child = TaskKey(parent.tenant_id, f"task_{self.submitted:04}")
        if not is_early:
            self.suspend(0, Reason.CHILD)
        self.may_change = {child}
        self.ask(lambda side: side.tasks.cancel(*child))
        self.tell_ends()
        if is_early:
            self.suspend(0, Reason.CHILD)
        assert self.traces[parent].status is Status.PENDING  # no lost wake-up

    @rule()
    def wake(self) -> None:
        due = {key for key in self.traces if self._is_over(key)}
        self.may_change = due
        assert len(due) == self.ask(lambda side: side.upkeep.wake(ALL))
        assert all(self.traces[key].status is Status.PENDING for key in due)

    def _is_over(self, key: TaskKey) -> bool:
        until = self.wakes.get(key)
        is_waiting = self.traces[key].status is Status.WAITING
        return is_waiting and until is not None and until <= self.stores.now

    # ---- families

    @precondition(lambda self: self.before.tasks)
    @rule(which=some, deadline_s=st.sampled_from([None, None, 20.0]))
    def submit_child(self, which: int, deadline_s: float | None) -> None:
        parent = self.task(which)
        new = self.new(
            parent.tenant_id, queue="q1", parent_task_id=parent.task_id, deadline_s=deadline_s
        )
        depth = self.depths.get(parent, 0) + 1
        if self.traces[parent].status in TERMINAL or depth > DEFAULT_FAMILY_LIMITS.max_depth:
            self.refused(self.ask(lambda side: side.tasks.submit(new)), InvalidRequest)
            return
        task = self.stores_new(new)
        self.depths[TaskKey(new.tenant_id, new.task_id)] = depth
        ends = self.before.tasks[parent].deadline_at
        assert ends is None or (task.deadline_at is not None and task.deadline_at <= ends)

    @precondition(lambda self: self.before.tasks)
    @rule(which=st.lists(some, min_size=1, max_size=2))
    def submit_dependent(self, which: list[int]) -> None:
        first = self.task(which[0])
        needs = {key for key in map(self.task, which) if key.tenant_id == first.tenant_id}
        ids = tuple(sorted(key.task_id for key in needs))
        new = self.new(first.tenant_id, queue="q1", depends_on=ids)
        if any(self.traces[key].status in REOPENED for key in needs):
            self.refused(self.ask(lambda side: side.tasks.submit(new)), InvalidRequest)
            return
        task = self.stores_new(new)
        still_open = [k for k in needs if self.traces[k].status is not Status.COMPLETED]
        assert task.dependencies_left == len(still_open)
        key = TaskKey(new.tenant_id, new.task_id)
        self.counted[key] = {needed.task_id for needed in needs if needed not in still_open}

    @rule()
    def tell_ends(self) -> None:
        """Children of what ended are cancelled, and what depended on it runs or fails."""
        self._tell(None)
        for key, task in self.before.tasks.items():
            parent = self.before.tasks.get(TaskKey(key.tenant_id, task.parent_task_id or ""))
            if parent is not None and parent.status in TERMINAL and not self._told_late(key):
                assert task.status in TERMINAL or task.cancel_requested

    def _told_late(self, key: TaskKey) -> bool:
        """Retried after its parent's end had been told."""
        return self.traces[key].generation > 1

    def _tell(self, then: Callable[[Any], Any] | None) -> Any:
        async def tell(side: Any) -> Any:
            while await side.upkeep.tell_ends(ALL):
                pass  # an end that is told may end others
            return None if then is None else await then(side)

        self.may_change = {
            key
            for key, told in self.traces.items()
            if told.status not in TERMINAL or key in self.counted
        }
        was = {key: task.signals for key, task in self.before.tasks.items()}
        completed = {k for k, told in self.traces.items() if told.status is Status.COMPLETED}
        answer = self.ask(tell)
        for key, counted in self.counted.items():
            if key in self.before.tasks:
                names = self.before.logs[key][0].data["depends_on"]
                counted |= {name for name in names if TaskKey(key.tenant_id, name) in completed}
        for key, task in self.before.tasks.items():
            # How many children's ends a parent was told of is the stores' own to count, and to agree on.
            assert task.signals >= was[key]
            self.signals[key] = task.signals
        return answer

    # ---- forks, dead letters, retention

    @precondition(lambda self: self.before.tasks)
    @rule(which=some)
    def fork(self, which: int) -> None:
        source = self.task(which)
        steps = [
            NewEvent(type=EventType(event.type), data=event.data, journal=event.journal)
            for event in self.before.logs[source]
            if event.journal is not None and "value" in event.journal
        ]
        origin = {"task_id": source.task_id, "seq": self.traces[source].last_seq}
        new = self.new(source.tenant_id, queue="q1", forked_from=origin, steps=steps)
        self.stores_new(new)
        fork = self.before.logs[TaskKey(source.tenant_id, new.task_id)]
        assert [step.journal for step in steps] == [event.journal for event in fork[1:]]

    @precondition(lambda self: self.before.tasks)
    @rule(which=some)
    def discard(self, which: int) -> None:
        key = self.task(which)
        was = self.before.tasks[key]
        self.may_change = {key}
        answer = self.ask(lambda side: side.tasks.discard(*key))
        if was.dead_letter_at is None:
            self.refused(answer, NotADeadLetter)
        else:
            assert (Status.FAILED, None) == (answer.status, answer.dead_letter_at)

    @rule(older_than_s=st.sampled_from([0.0, 10.0, 100.0]))
    def prune(self, older_than_s: float) -> None:
        before = self.stores.now - seconds(older_than_s)
        self.tell_ends()
        old = {
            key
            for key, task in self.before.tasks.items()
            if task.completed_at is not None
            and task.completed_at < before
            and task.dead_letter_at is None
            and TaskKey(key.tenant_id, task.parent_task_id or "") not in self.before.tasks
        }
        self.may_vanish = old
        assert len(old) == self.ask(lambda side: side.upkeep.prune(older_than_s, ALL))
        assert not old & set(self.before.tasks)
        self.keys = {name: kept for name, kept in self.keys.items() if kept[0] not in old}

    # ---- what holds

    def claim(self, worker: str, count: int, beats: bool) -> None:
        given = len(self.leases)
        super().claim(worker, count, beats)
        for lease in self.leases[given:]:
            log = self.before.logs[key_of(lease)]
            for needed in log[0].data.get("depends_on", ()):
                told = self.traces.get(TaskKey(lease.tenant_id, needed))
                assert told is None or told.status is Status.COMPLETED, "runs before what it needs"

    def upkeep(self) -> None:
        super().upkeep()
        self.wake()
        self.tell_ends()
        for place, key in enumerate(sorted(self.before.tasks, reverse=True)):
            if self.traces[key].status is Status.WAITING:
                self.signal(place)
