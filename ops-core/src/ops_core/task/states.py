"""The states a task can be in, and the moves that exist. Which one is made is decided in `ops_core.moves`.

The same rules stand a second time as CHECK constraints in the migration, and a third time as the picture in
`docs/lifecycle.md`; tests hold them together.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a task stands. Beside each state: who moves it on."""

    PENDING = "pending"
    """Runnable at `runnable_at`: a worker claims it, or a client cancels it, or its deadline passes."""

    RUNNING = "running"
    """Owned by one worker, which settles it; when the worker dies the dispatcher gives it back."""

    WAITING = "waiting"
    """Needs something from outside: an answer, a child, a timer. Whoever brings it moves it on."""

    COMPLETED = "completed"
    """Final for this generation: only a client's retry opens the next one."""

    FAILED = "failed"
    """Final for this generation, with `error.type` and a message a person can act on."""

    CANCELLED = "cancelled"
    """Final for this generation: a client asked for it."""


class Reason(StrEnum):
    """Why a task is in its state, where the state alone does not say."""

    QUEUED = "queued"
    DELAYED = "delayed"
    RETRYING = "retrying"
    RATE_LIMITED = "rate_limited"
    RECOVERED = "recovered"
    APPROVAL = "approval"
    INPUT = "input"
    CHILD = "child"
    TIMER = "timer"
    EFFECT_UNKNOWN = "effect_unknown"
    VERSION = "version"
    ERROR = "error"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BUDGET_EXHAUSTED = "budget_exhausted"
    POISON = "poison"
    NONDETERMINISTIC = "nondeterministic"
    REJECTED = "rejected"


#: The moves that exist. Terminal states absorb within a generation.
TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.FAILED, Status.CANCELLED}),
    Status.RUNNING: frozenset(
        {Status.PENDING, Status.WAITING, Status.COMPLETED, Status.FAILED, Status.CANCELLED}
    ),
    Status.WAITING: frozenset({Status.PENDING, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}


#: The reasons each state may carry; a state that is not named carries none.
REASONS: Final[dict[Status, frozenset[Reason]]] = {
    Status.PENDING: frozenset(
        {Reason.QUEUED, Reason.DELAYED, Reason.RETRYING, Reason.RATE_LIMITED, Reason.RECOVERED}
    ),
    Status.RUNNING: frozenset(),
    Status.WAITING: frozenset(
        {
            Reason.APPROVAL,
            Reason.INPUT,
            Reason.CHILD,
            Reason.TIMER,
            Reason.EFFECT_UNKNOWN,
            Reason.VERSION,
        }
    ),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(
        {
            Reason.ERROR,
            Reason.DEADLINE_EXCEEDED,
            Reason.BUDGET_EXHAUSTED,
            Reason.POISON,
            Reason.NONDETERMINISTIC,
            Reason.REJECTED,
        }
    ),
    Status.CANCELLED: frozenset(),
}


TERMINAL: Final[frozenset[Status]] = frozenset(s for s, to in TRANSITIONS.items() if not to)

#: Where a task stands that will not move on by itself.
SETTLED: Final[frozenset[Status]] = TERMINAL | {Status.WAITING}

#: From these a client's retry opens the next generation of the task, in place, on the same log.
REOPENED: Final[frozenset[Status]] = frozenset({Status.FAILED, Status.CANCELLED})
