"""What the state machine knows: what it did itself, what the logs said before, and what follows from both.

It knows no store. What an operation may not touch must be as it was; everything else is for the rules.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant
from log_trace import Trace
from twin_stores import ALL, TTL_S, Refused, Seen, Twins, seconds

from ops_core.log import Event
from ops_core.moves import SUSPECT_DEATHS
from ops_core.ports import Append, Lease, PutOff, TakenRings, TaskKey
from ops_core.task import REOPENED, TERMINAL, Status, Task, Usage

#: Each worker with the queues that it serves; the last one runs alone, for suspects.
QUEUES = {"w1": ["q1"], "w2": ["q1", "q2"], "w3": ["q2"], "w4": ["q1", "q2"]}
ALONE = "w4"

#: When a task runs that waits for others.
NEVER = datetime.max.replace(tzinfo=UTC)


class Reckoning(RuleBasedStateMachine):
    """`twins` makes fresh stores; `run` runs a coroutine on the one event loop of the test."""

    twins: Callable[[], Twins]
    run: Callable[[Any], Any]

    def __init__(self) -> None:  # noqa: PLR0915  each is one thing to reckon with
        super().__init__()
        self.stores: Twins = type(self).twins()
        self.before = Seen({}, {})
        self.traces: dict[TaskKey, Trace] = {}
        self.submitted = 0
        self.keys: dict[tuple[str, str], tuple[TaskKey, str]] = {}
        self.leases: list[Lease] = []
        """Every lease that was ever given, so most of them are stale."""

        self.read: dict[Lease, int] = {}
        """How many steps the run under a lease knows: what it found in the log, and its own."""

        self.sent: dict[Lease, Append] = {}
        """The last append that was stored under a lease."""

        self.heard: dict[Lease, int] = {}
        """How many signals it knew."""

        self.used: dict[TaskKey, Usage] = {}
        self.runnable: dict[TaskKey, datetime] = {}
        self.signals: dict[TaskKey, int] = {}
        self.deaths: dict[TaskKey, int] = {}
        self.wakes: dict[TaskKey, datetime | None] = {}
        """When a waiting task wakes by itself."""

        self.counted: dict[TaskKey, set[str]] = {}
        """The dependencies of a task that it was told had completed."""

        self.beats: dict[str, datetime] = {}
        self.left: set[str] = set()
        """The listed workers, and when each showed itself last."""

        self.free: dict[str, bool] = {}
        self.rings: list[PutOff] = []
        self.served: dict[str, int] = {}
        """When each tenant was served last, while others waited too."""

        self.may_change: set[TaskKey] = set()
        self.may_vanish: set[TaskKey] = set()

    # ---- what holds after every step

    @invariant()
    def rows_say_what_logs_say(self) -> None:
        assert set(self.before.tasks) == set(self.before.logs)
        for key, task in self.before.tasks.items():
            told = self.traces[key]
            assert [] == told.found + told.otherwise(vars_of(task)), self.before.logs[
                key
            ]  # I3, I5, I8
            assert self.used[key] == task.usage
            assert (self.signals[key], self.deaths[key]) == (task.signals, task.deaths)

    # ---- asking

    def ask(self, act: Callable[[Any], Any]) -> Any:
        """Asks the stores, and holds what is there against what was."""
        answer = type(self).run(self.stores.ask(act))
        after: Seen = type(self).run(self.stores.seen())
        for key, log in self.before.logs.items():
            if key in self.may_vanish and key not in after.tasks:
                continue
            assert log == after.logs[key][: len(log)], "what is in a log stays there"  # I5, I9
            if key not in self.may_change:
                assert self.before.tasks[key] == after.tasks[key], "nobody asked for this"
                assert len(log) == len(after.logs[key]), "nobody asked for this"
        assert set(after.tasks) - set(self.before.tasks) <= self.may_change
        for key, log in after.logs.items():
            told = self.traces.setdefault(key, Trace())
            for event in log[len(self.before.logs.get(key, [])) :]:
                told.read(vars_of(event))
                self._note(key, event)
        self.traces = {key: self.traces[key] for key in after.logs}
        self.before, self.may_change, self.may_vanish = after, set(), set()
        return answer

    def refused(self, answer: object, error: type[Exception]) -> None:
        assert isinstance(answer, Refused), answer
        assert answer.error is error, answer

    def ask_for_rings(self) -> list[TakenRings]:
        async def ask(side: Any) -> list[TakenRings]:
            taken = await side.upkeep.take_rings(ALL)
            rows = [replace(rings, rows=sorted(rings.rows)) for rings in taken]
            return sorted(rows, key=lambda rings: rings.queue)

        found: list[TakenRings] = self.ask(ask)
        return found

    def _note(self, key: TaskKey, event: Event) -> None:
        """What an event says of when its task may run, and of what is counted anew."""
        match event.type:
            case "task.released":
                self.runnable[key] = event.at + seconds(event.data.get("delay_s", 0))
            case "task.woken":
                self.runnable[key] = event.at
            case "task.retried":
                self.runnable[key], self.deaths[key] = event.at, 0
            case "dependency.finished" if event.data["left"] == 0:
                scheduled = self.before.tasks[key].scheduled_at
                self.runnable[key] = max(event.at, scheduled or event.at)

    # ---- picking

    def task(self, which: int) -> TaskKey:
        return sorted(self.before.tasks)[-1 - which % len(self.before.tasks)]

    def lease(self, which: int) -> Lease:
        return self.leases[-1 - which % len(self.leases)]

    def is_good(self, lease: Lease) -> bool:
        told = self.traces.get(key_of(lease))
        return told is not None and (told.owner, told.epoch) == (lease.owner, lease.epoch)

    # ---- reckoning

    def due(self, worker: str) -> list[TaskKey]:
        """What a worker would claim, best first."""
        found = [
            key for key in self.before.tasks if worker in self.beats and self._suits(key, worker)
        ]
        return sorted(
            found,
            key=lambda key: (-self.before.tasks[key].priority, self.runnable[key], key.task_id),
        )

    def next(self, worker: str, count: int) -> list[TaskKey]:
        """What a claim takes: one of every tenant before the second of any, longest unserved first."""
        lanes: dict[str, list[TaskKey]] = {}
        for key in self.due(worker):
            lanes.setdefault(key.tenant_id, []).append(key)
        in_turn = sorted(
            (place, self.served.get(tenant, 0), tenant, key)
            for tenant, keys in lanes.items()
            for place, key in enumerate(keys)
        )
        taken = {key for *_, key in in_turn[:count]}
        waiting = {
            key.tenant_id
            for key, task in self.before.tasks.items()
            if task.status is Status.PENDING and task.queue in QUEUES[worker]
        }
        if taken and len(waiting) > 1:
            turn = 1 + max(self.served.values(), default=0)
            self.served |= {key.tenant_id: turn for key in taken}
        return [key for key in self.due(worker) if key in taken]

    def _suits(self, key: TaskKey, worker: str) -> bool:
        task = self.before.tasks[key]
        return (
            task.status is Status.PENDING
            and task.queue in QUEUES[worker]
            and self.runnable[key] <= self.stores.now
            and (task.deadline_at is None or task.deadline_at > self.stores.now)
            and self.is_suspect(key) == (worker == ALONE)
        )

    def is_suspect(self, key: TaskKey) -> bool:
        return self.deaths[key] >= SUSPECT_DEATHS

    def is_expired(self, key: TaskKey) -> bool:
        task = self.before.tasks[key]
        if task.deadline_at is None or task.status in TERMINAL:
            return False
        grace = seconds(TTL_S if task.status is Status.RUNNING else 0)
        return task.deadline_at + grace <= self.stores.now

    def is_barred(self, key: TaskKey) -> bool:
        """Whether something that it still depends on has failed, was cancelled or is gone."""
        names = self.before.logs[key][0].data.get("depends_on", ())
        needed = {name: self.traces.get(TaskKey(key.tenant_id, name)) for name in names}
        counted = self.counted.get(key, set())
        return any(
            told is None or told.status in REOPENED
            for name, told in needed.items()
            if name not in counted
        )

    def listening(self) -> list[str]:
        """The workers that hear a ring; one that runs alone looks by itself."""
        alive = self.stores.now - seconds(TTL_S)
        listed = self.beats.keys() - self.left - {ALONE}
        return [name for name in listed if self.beats[name] > alive and self.free[name]]

    def forget(self, worker: str) -> None:
        if not any(told.owner == worker for told in self.traces.values()):
            self.beats.pop(worker, None)

    def steps_of(self, key: TaskKey) -> int:
        return sum(path.endswith("/tool") for path in self.traces[key].steps)


def vars_of(value: Task | Event) -> dict[str, Any]:
    """Its fields by name, as a row has them."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def key_of(lease: Lease) -> TaskKey:
    return TaskKey(lease.tenant_id, lease.task_id)


def lease_of(key: TaskKey, told: Trace) -> Lease:
    assert told.owner is not None
    return Lease(*key, told.owner, told.epoch)
