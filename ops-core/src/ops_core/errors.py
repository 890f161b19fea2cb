"""Everything that can go wrong here, by who is at fault. `type` is the same string on every door.

OpsError
├── CallerError                 the client: asking again unchanged will not help
│   ├── InvalidRequest            a field is wrong; `errors` names each
│   ├── TaskNotFound              no such task for this tenant
│   ├── IdempotencyConflict       the same key came with another body
│   ├── TaskFinished              the task has ended and cannot be moved
│   └── TaskNotEnded              only a task that failed or was cancelled can be retried
├── Unavailable                 the operator: asking again later may help
│   ├── StoreUnavailable          PostgreSQL is away
│   └── BrokerUnavailable         RabbitMQ is away (no client ever sees this one)
├── TaskFailed                  a handler's verdict on its own task
├── LostOwnership               this worker is a zombie for that task: another owns it now, stop
└── IllegalMove                 us: the state machine was asked for a move that it does not have
"""

from dataclasses import dataclass
from typing import ClassVar


class OpsError(Exception):
    """Base of all errors of `ops_core`."""

    type: ClassVar[str] = "internal"


class CallerError(OpsError):
    """The request cannot be carried out as it stands."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `path` in dots (`input_data.goal`), `message` for a person."""

    path: str
    message: str


class InvalidRequest(CallerError):
    """One or more fields are wrong; nothing was stored.

    Bounded, because the names come from the client: the first `MAX_ERRORS` fields, each cut short.
    """

    type = "invalid_request"
    MAX_ERRORS: ClassVar[int] = 20

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = [FieldError(e.path[:200], e.message[:300]) for e in errors[: self.MAX_ERRORS]]
        parts = [f"{e.path}: {e.message}" if e.path else e.message for e in self.errors]
        if len(errors) > self.MAX_ERRORS:
            parts.append(f"and {len(errors) - self.MAX_ERRORS} more")
        super().__init__("; ".join(parts))


class TaskNotFound(CallerError):
    """There is no such task, or it belongs to another tenant (the answer is the same)."""

    type = "task_not_found"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"There is no task {task_id[:100]!r}.")
        self.task_id = task_id


class IdempotencyConflict(CallerError):
    """The idempotency key was used before with another body."""

    type = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used before with another request; "
            "use a new key, or send the first request again unchanged."
        )


class TaskFinished(CallerError):
    """The task has already ended in another way than the one asked for."""

    type = "task_finished"

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(f"The task {task_id} is already {status}; it can no longer be changed.")


class TaskNotEnded(CallerError):
    """A retry was asked of a task that is still under way, or that completed."""

    type = "task_not_retriable"

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(
            f"The task {task_id} is {status}; only a failed or cancelled task can be retried."
        )


class Unavailable(OpsError):
    """Something we depend on is away; the same request may succeed later."""

    retry_after_s: ClassVar[int] = 2


class StoreUnavailable(Unavailable):
    """PostgreSQL cannot be reached, or did not answer in time."""

    type = "store_unavailable"


class BrokerUnavailable(Unavailable):
    """The broker cannot be reached; the dispatcher rings again, so no task is lost."""

    type = "broker_unavailable"


class TaskFailed(OpsError):
    """Raised by a handler to say why its task failed, and whether another attempt may help.

    `error_type` becomes `error.type` of the task; `retry_after_s`, when given, is the least rest before
    the next attempt (a provider's Retry-After); `reason` becomes the reason of the failed state.
    """

    type = "task_failed"

    def __init__(
        self,
        error_type: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        reason: str = "error",
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.reason = reason
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class LostOwnership(OpsError):
    """The task is owned under a later epoch, or is no longer running: this worker must stop working on it."""

    type = "lost_ownership"


class IllegalMove(OpsError):
    """A move that the state machine does not have."""

    type = "illegal_move"
