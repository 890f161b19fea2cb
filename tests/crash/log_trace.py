"""The moves of a task, as one table for two readers: the checker of real logs and the model in `model/`.

`check` replays the log of a task, whoever wrote it, and says where it is no run of the state machine.
`promela` writes the same table for Spin; `python tests/crash/log_trace.py` writes it into `model/moves.pml`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ops_core.task import REOPENED, TERMINAL, TRANSITIONS, Status

Row = Mapping[str, Any]

MOVES_PML: Final = Path(__file__).parent / "model" / "moves.pml"

#: The state that each event leaves a task in; an event that is not here leaves it where it is.
LEADS_TO: Final = {
    "task.submitted": Status.PENDING,
    "task.claimed": Status.RUNNING,
    "task.released": Status.PENDING,
    "task.retried": Status.PENDING,
    "task.waiting": Status.WAITING,
    "task.woken": Status.PENDING,
    "task.completed": Status.COMPLETED,
    "task.failed": Status.FAILED,
    "task.cancelled": Status.CANCELLED,
}

#: What only the owner of a task writes, so only while it runs.
OWNERS: Final = (
    "llm.",
    "tool.",
    "agent.",
    "step.",
    "timer.",
    "child.",
    "input.requested",
    "approval.requested",
)

#: What may come from outside although it looks like the owner's: an end that leaves a call in doubt says so.
ANYBODYS: Final = frozenset({"tool.unknown"})

#: Finished steps: each path of the program has at most one of these, or of others that bring its value.
STEPS: Final = frozenset({"llm.completed", "tool.completed", "tool.failed"})

#: A claim after one of these reasons of a release begins a new attempt.
AFTER_FAILURE: Final = frozenset({"retrying", "rate_limited"})


#: What a log says of its task's row.
PROJECTED: Final = (
    "status",
    "owner",
    "epoch",
    "generation",
    "attempt",
    "cancel_requested",
    "last_seq",
)


@dataclass
class Trace:
    """A task as its log tells it: what the row beside the log must say too."""

    status: Status | None = None
    owner: str | None = None
    epoch: int = 0
    generation: int = 1
    attempt: int = 0
    cancel_requested: bool = False
    last_seq: int = 0
    steps: set[str] = field(default_factory=set)
    begins_attempt: bool = True
    """Whether the next claim begins a new attempt."""

    forked: bool = False
    """Its log begins with steps of another one."""

    found: list[str] = field(default_factory=list)
    """What is wrong, in words."""

    def read(self, event: Row) -> None:
        kind = str(event["type"])
        self._say(event, self._problems(event, kind))
        self.last_seq = event["seq"]
        self.forked = self.forked or "forked_from" in _data(event)
        to = LEADS_TO.get(kind)
        if to is not None:
            self._move(event, kind, to)
        elif kind == "task.cancel_requested":
            self.cancel_requested = True
        if _finishes(event, kind):
            self.steps.add(_path(event))

    def otherwise(self, task: Row) -> list[str]:
        """What a row says otherwise than the log."""
        return [
            f"its row says {name} {task[name]!r} and its log {getattr(self, name)!r}"
            for name in PROJECTED
            if task[name] != getattr(self, name)
        ]

    def _say(self, event: Row, problems: Iterable[str]) -> None:
        self.found += [f"{event['seq']} {event['type']}: {problem}" for problem in problems]

    def _problems(self, event: Row, kind: str) -> Iterator[str]:
        if event["seq"] != self.last_seq + 1:
            yield f"follows {self.last_seq}"
        if (self.status is None) != (kind == "task.submitted"):
            yield "a log begins with its submission, and has one"
        if self.status in TERMINAL and kind != "task.retried":
            yield f"after its end ({self.status})"
        yield from self._owner_problems(event, kind)

    def _owner_problems(self, event: Row, kind: str) -> Iterator[str]:
        running = self.status is Status.RUNNING
        copied = self.forked and self.epoch == 0
        if kind.startswith(OWNERS) and kind not in ANYBODYS and not running and not copied:
            yield f"a step while nobody owned it ({self.status})"
        if kind == "task.cancel_requested" and (not running or self.cancel_requested):
            yield "asked of nobody, or twice"
        if _finishes(event, kind) and _path(event) in self.steps:
            yield f"the step {_path(event)} was committed before"

    def _move(self, event: Row, kind: str, to: Status) -> None:
        self._say(event, self._move_problems(event, kind, to))
        if kind == "task.retried":
            self.generation, self.attempt = self.generation + 1, 0
        if to is Status.RUNNING:
            self.epoch += 1
            self.attempt += self.begins_attempt
        if to is Status.PENDING:
            failed = _data(event).get("why") in AFTER_FAILURE
            self.begins_attempt = failed or self.attempt == 0
        self.owner = _data(event).get("worker") if to is Status.RUNNING else None
        self.status, self.cancel_requested = to, False

    def _move_problems(self, event: Row, kind: str, to: Status) -> Iterator[str]:
        if kind == "task.retried":
            if self.status not in REOPENED:
                yield f"reopened while {self.status}"
            if _data(event).get("generation") != self.generation + 1:
                yield f"generation {self.generation} is followed by another one"
        elif self.status is not None and to not in TRANSITIONS[self.status]:
            yield f"there is no move from {self.status} to {to}"
        if self.cancel_requested and to in {Status.PENDING, Status.WAITING}:
            yield "the cancellation that was accepted is forgotten"
        if kind == "task.claimed":
            attempt = self.attempt + self.begins_attempt
            if _data(event).get("attempt") != attempt:
                yield f"this is attempt {attempt}"


def trace(log: Iterable[Row]) -> Trace:
    """Replays a log, in the order of its `seq`."""
    told = Trace()
    for event in log:
        told.read(event)
    return told


def check(log: Sequence[Row]) -> list[str]:
    """Where a task's log (rows of `event`, by `seq`) is no run of the state machine; empty when it is one."""
    if not log:
        return ["a task without a log"]
    return trace(log).found


def check_row(task: Row, log: Sequence[Row]) -> list[str]:
    """`check`, and what the task's row says otherwise than its log: the row is only a projection of it."""
    if not log:
        return ["a task without a log"]
    told = trace(log)
    return told.found + told.otherwise(task)


def _data(event: Row) -> Mapping[str, Any]:
    return event["data"] or {}


def _finishes(event: Row, kind: str) -> bool:
    return kind in STEPS or "value" in (event["journal"] or {})


def _path(event: Row) -> str:
    return str((event["journal"] or {}).get("path"))


def promela() -> str:
    """The table of moves for Spin."""
    moves = [f"(a == {a} && b == {b})" for a, to in TRANSITIONS.items() for b in Status if b in to]
    return "\n".join(
        [
            "/* Generated from ops_core.task.TRANSITIONS by tests/crash/log_trace.py: do not edit. */",
            f"mtype = {{ {', '.join(Status)} }};",
            f"#define ALLOWED(a, b) ({' || '.join(moves)})",
            f"#define TERMINAL(a) ({' || '.join(f'a == {s}' for s in Status if s in TERMINAL)})",
            f"#define REOPENED(a) ({' || '.join(f'a == {s}' for s in Status if s in REOPENED)})",
            "",
        ]
    )


if __name__ == "__main__":
    MOVES_PML.write_text(promela(), encoding="utf-8")
