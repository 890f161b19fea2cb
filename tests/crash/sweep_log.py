"""The log of one task of a trial, read from its start: what it tells, and what in it cannot be."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

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

_FINISHED: Final = {"step.recorded", "tool.completed"}
_ANSWERS: Final = {"input.received", "timer.fired", "child.started", "child.finished"}
_FAILED_ATTEMPT: Final = {"retrying", "rate_limited"}


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
    unknown: set[str] = field(default_factory=set)
    """The paths of calls that the log says are in doubt."""

    answered: set[str] = field(default_factory=set)
    run_again: Counter[str] = field(default_factory=Counter)
    """By path: how often a person said that a call did not happen."""

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
            self._dispatch(event)
        elif event["type"] in _FINISHED and "/tool/" in event["journal"]["path"]:
            self._step(event)
        elif event["type"] in _ANSWERS:
            self._answer(event)
        elif event["type"] == "tool.unknown":
            self._doubt(event["journal"]["path"])
        elif event["type"] == "effect.resolved":
            self._resolve(event["journal"]["path"], event["journal"])

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

    def _dispatch(self, event: Row) -> None:
        self._only_running(event)
        path = event["journal"]["path"]
        if path in self.in_doubt or path in self.steps:
            self.wrong.append(f"step {path} was announced again")
        self.intents[path].append(self.epoch)

    def _answer(self, event: Row) -> None:
        """What is brought from outside, or by time, is brought once."""
        path = event["journal"]["path"]
        if path in self.answered:
            self.wrong.append(f"{event['type']} twice at {path}")
        self.answered.add(path)

    def _doubt(self, path: str) -> None:
        if path not in self.in_doubt or path in self.unknown:
            self.wrong.append(f"step {path} is said to be in doubt, and is not")
        self.unknown.add(path)

    def _resolve(self, path: str, entry: Row) -> None:
        """A person's word on a call in doubt."""
        if path not in self.unknown:
            self.wrong.append(f"a word on step {path}, which is in no doubt")
        self.unknown.discard(path)
        if entry["outcome"] == "happened":
            self._commit(path, entry["result"]["epoch"], entry["result"])
        else:
            self.run_again[path] += 1

    def _commit(self, path: str, epoch: int, value: Any) -> None:
        if path in self.steps:
            self.wrong.append(f"step {path} was committed twice")
        self.steps[path], self.values[path] = epoch, value

    def _step(self, event: Row) -> None:
        self._only_running(event)
        path, value = event["journal"]["path"], event["journal"]["value"]
        if value["epoch"] != self.epoch:
            self.wrong.append(
                f"step {path} of epoch {value['epoch']} was committed under epoch {self.epoch}"
            )
        self._commit(path, self.epoch, value)

    def _only_running(self, event: Row) -> None:
        if self.status is not Status.RUNNING:
            self.wrong.append(f"{event['type']} while it was {self.status}")

    @property
    def in_doubt(self) -> set[str]:
        """The calls that were announced and of which nobody knows how they ended."""
        return {
            path
            for path, epochs in self.intents.items()
            if path not in self.steps and len(epochs) > self.run_again[path]
        }
