"""Between the code of a task, the worker that runs it and the log that it writes; no client sees these."""

from typing import Any

from ops_core.errors.kinds import OpsError


class TaskFailed(OpsError):
    """Raised by a handler to say why its task failed, and whether another attempt may help.

    `error_type` becomes `error.type` of the task; `retry_after_s`, when given, is the least rest before
    the next attempt (a provider's Retry-After); `reason` becomes the reason of the failed state. `partial`
    is what there was until then: the result of a task that nothing else comes of.
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
        partial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.partial = partial
        self.reason = reason
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class FailedBeforeEffect(OpsError):
    """Raised by a call to say that it failed before anything happened: it may be made again."""

    type = "failed_before_effect"


class UnknownOutcome(OpsError):
    """Raised by a call of an unsafe step when nobody knows whether it took effect; a person will be asked."""

    type = "effect_unknown"


class LostOwnership(OpsError):
    """The task is owned under a later epoch, or is no longer running: this worker must stop working on it."""

    type = "lost_ownership"


class CancelRequested(OpsError):
    """A client was told that the task will be cancelled: no effect may begin in it any more."""

    type = "cancel_requested"


class IllegalMove(OpsError):
    """A move that the state machine does not have."""

    type = "illegal_move"


class TaskWaits(BaseException):
    """Ends a handler whose task waits for something: it comes back by replaying its log.

    Raised by `TaskLog.suspend`; handlers let it through. Not an `Exception`, so that the code of a step that
    handles its own errors does not take it for one.
    """
