"""A log folded into one row for each step: the ledger of a task's effects."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ops_core.ask import CLOSES
from ops_core.log import Event, EventType
from ops_core.step import idempotency_key
from ops_core.steps.entry import StepEntry, StepStatus
from ops_core.steps.tellers import TELLERS
from ops_core.task import Reason

_FROM_OUTSIDE: Final = frozenset({EventType.EFFECT_RESOLVED, *CLOSES})


def steps_of(task_id: str, log: Iterable[Event]) -> list[StepEntry]:
    """Each step of the log once, in the order in which they were first seen."""
    ledger = StepLedger(task_id)
    ledger.take(log)
    return ledger.steps


@dataclass(slots=True)
class StepLedger:
    """The steps of a log that is read piece by piece."""

    task_id: str
    rows: dict[str, StepEntry] = field(default_factory=dict)
    attempt: int = 0
    generation: int = 1

    @property
    def steps(self) -> list[StepEntry]:
        """Each once, in the order in which they were first seen."""
        return list(self.rows.values())

    def take(self, events: Iterable[Event]) -> None:
        """What follows in the log."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.type == EventType.TASK_CLAIMED:
            self.attempt = event.data.get("attempt", self.attempt)
        elif event.type == EventType.TASK_RETRIED:
            self.generation = event.data.get("generation", self.generation)
            self._ask_again()
        elif event.type == EventType.TASK_WAITING:
            self._children(event)
        told = TELLERS.get(event.type)
        path = event.data.get("path")
        if told is not None and isinstance(path, str):
            kind, tell = told
            tell(self._row(path, event.data.get("kind") or kind), event)
            self._made(self.rows[path], event)

    def _ask_again(self) -> None:
        """A call that a person gave up is in doubt again when its task is retried."""
        for row in self.rows.values():
            if row.resolution is not None and row.resolution.get("outcome") == "fail":
                row.status, row.finished_at, row.duration_s = StepStatus.UNKNOWN, None, None

    def _row(self, path: str, kind: str) -> StepEntry:
        row = self.rows.get(path)
        if row is None:
            row = self.rows[path] = StepEntry(
                step=path,
                kind=kind,
                key=idempotency_key(self.task_id, path),
                status=StepStatus.DISPATCHED,
                attempt=self.attempt,
                generation=self.generation,
            )
        elif kind != "tool":  # an announced call is one, until its end says it more exactly
            row.kind = kind
        return row

    def _made(self, row: StepEntry, event: Event) -> None:
        """By whom: a step belongs to the attempt that last worked on it, not to who answered it."""
        if event.type not in _FROM_OUTSIDE:
            row.attempt, row.generation = self.attempt, self.generation

    def _children(self, event: Event) -> None:
        """A wait for children is not told when it begins, only when it ends."""
        for wait in event.data.get("waiting_for", []):
            if wait.get("reason") == Reason.CHILD and wait["step"] not in self.rows:
                row = self._row(wait["step"], "children")
                row.status, row.name, row.effect = StepStatus.WAITING, "wait", "pure"
                row.started_at = event.at
                self._made(row, event)
