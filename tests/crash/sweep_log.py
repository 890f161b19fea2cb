"""The log of one task of a trial, read from its start: what it tells, and what in it cannot be."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sweep_program import ASKED_ABOUT, EFFECTS, path_of, value_of

from ops_core.task import REOPENED, TERMINAL, TRANSITIONS, Status

Row = dict[str, Any]

_LEADS_TO: Final = {
    "task.submitted": Status.PENDING,
    "task.claimed": Status.RUNNING,
    "task.released": Status.PENDING,
    "task.waiting": Status.WAITING,
    "task.woken": Status.PENDING,
    "task.retried": Status.PENDING,
    "task.completed": Status.COMPLETED,
    "task.failed": Status.FAILED,
    "task.cancelled": Status.CANCELLED,
}

_FINISHED: Final = {"tool.completed", "tool.failed"}
_FAILED_ATTEMPT: Final = {"retrying", "rate_limited"}
_EFFECT_OF: Final = {path_of(n): effect for n, effect in enumerate(EFFECTS, 1)}


@dataclass
class Log:
    """What a task's log tells, read from its start; `wrong` is what cannot be."""

    status: Status | None = None
    epoch: int = 0
    attempt: int = 0
    generation: int = 1
    opens_attempt: bool = True
    cancel_asked: bool = False
    intents: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By path: the epochs under which a call was announced."""

    steps: dict[str, int] = field(default_factory=dict)
    """By path: the epoch under which the step was committed."""

    values: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Row]) -> Self:
        log = cls()
        for event in events:
            log.read(event)
        return log

    def read(self, event: Row) -> None:
        to = _LEADS_TO.get(event["type"])
        if to is not None:
            self._move(event, to)
        elif event["type"] == "task.cancel_requested":
            self.cancel_asked = True
            self._only_running(event)
        elif event["type"] == "tool.dispatched":
            self.intents[event["journal"]["path"]].append(self.epoch)
            self._only_running(event)
        elif event["type"] in _FINISHED:
            self._step(event)

    def _move(self, event: Row, to: Status) -> None:
        reopens = event["type"] == "task.retried" and self.status in REOPENED
        if self.status is None:
            if event["type"] != "task.submitted":
                self.wrong.append(f"it begins with {event['type']}")
        elif to not in TRANSITIONS[self.status] and not reopens:
            self.wrong.append(f"a move from {self.status} to {to}")
        self.status = to
        if self.cancel_asked and to not in TERMINAL:
            self.wrong.append(f"{event['type']} after a cancellation was promised")
        if event["type"] == "task.claimed":
            self._claim(event)
        elif event["type"] == "task.retried":
            self.generation, self.attempt, self.opens_attempt = self.generation + 1, 0, True
        elif event["type"] == "task.released":
            self.opens_attempt = event["data"]["why"] in _FAILED_ATTEMPT

    def _claim(self, event: Row) -> None:
        self.epoch += 1
        self.attempt += self.opens_attempt
        self.opens_attempt = False
        if event["data"]["attempt"] != self.attempt:
            self.wrong.append(f"attempt {self.attempt} is counted as {event['data']['attempt']}")

    def _step(self, event: Row) -> None:
        self._only_running(event)
        path, value = event["journal"]["path"], value_of(event)
        if path in self.steps:
            self.wrong.append(f"step {path} was committed twice")
        if value["epoch"] != self.epoch:
            self.wrong.append(
                f"step {path} of epoch {value['epoch']} was committed under epoch {self.epoch}"
            )
        self.steps[path], self.values[path] = self.epoch, value

    def _only_running(self, event: Row) -> None:
        if self.status is not Status.RUNNING:
            self.wrong.append(f"{event['type']} while it was {self.status}")

    @property
    def in_doubt(self) -> set[str]:
        """The calls that were announced, must not be repeated, and of which nobody knows how they ended."""
        return {
            path
            for path in self.intents
            if _EFFECT_OF[path] in ASKED_ABOUT and path not in self.steps
        }
