"""What a call can end with besides its answer, by what a program does about it.

OpspawnError
├── Unreachable               nobody answered; trying again later may help
├── WaitTimedOut              the task has not settled within the time; it goes on
└── Refused                   the server answered, and said no: `type`, `status`, `detail`, `errors`
    ├── InvalidRequest          422  a field is wrong; `errors` names each
    ├── NotAuthenticated        401  no key, or one that is not known
    ├── Forbidden               403  the key lacks a scope
    ├── NotFound                404  no such task, approval, …
    ├── Conflict                409  it cannot be done as things stand
    │   ├── IdempotencyConflict   the key came with another body before
    │   ├── TaskFinished          the task has ended and cannot be changed
    │   ├── TaskNotRetriable      only a failed or cancelled task can be retried
    │   ├── NothingAsked          the task does not wait for what was brought
    │   ├── AlreadyResolved       the approval or question was decided, or is over
    │   └── NotADeadLetter        the task is not on that list
    ├── TooManyRequests         429  a limit; `retry_after_s` says when to come again
    └── Unavailable             5xx  something the server needs is away
"""

from dataclasses import dataclass
from typing import Any, Final

#: Before the name of every `type` in a problem (RFC 9457).
PREFIX: Final = "urn:opspawn:problem:"


class OpspawnError(Exception):
    """Base of everything that the client raises of its own."""


class Unreachable(OpspawnError):
    """Nobody answered, as often as it was tried."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
        """Whether the request may have arrived."""


class WaitTimedOut(OpspawnError, TimeoutError):
    """The task has not settled within the time; it goes on, and can be waited for again."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: where it is, and what is wrong with it."""

    path: str
    message: str


class Refused(OpspawnError):
    """The server's no. `type` is the same word on every door; docs/reference/errors.md lists all."""

    def __init__(
        self,
        type_: str,
        status: int,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{type_}: {detail}")
        self.type = type_
        self.status = status
        self.detail = detail
        self.errors = errors
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class InvalidRequest(Refused):
    """A field is wrong; nothing was stored."""


class NotAuthenticated(Refused):
    """No key came, or one that the server does not know: give `api_key`, or set OPSPAWN_API_KEY."""


class Forbidden(Refused):
    """The key is known, and lacks a scope that the detail names."""


class NotFound(Refused):
    """There is no such thing for whoever asks."""


class Conflict(Refused):
    """It cannot be done as things stand."""


class IdempotencyConflict(Conflict):
    """The same key came with another body before."""


class TaskFinished(Conflict):
    """The task has ended in another way than the one asked for."""


class TaskNotRetriable(Conflict):
    """The task is under way, or has completed."""


class NothingAsked(Conflict):
    """The task does not wait for what was brought."""


class AlreadyResolved(Conflict):
    """It was decided once, has expired, or ended with its task."""


class NotADeadLetter(Conflict):
    """The task may have been retried or discarded meanwhile."""


class TooManyRequests(Refused):
    """A limit was met; `retry_after_s` says when to come again."""


class Unavailable(Refused):
    """Something that the server needs is away, or the server has a fault."""


_BY_TYPE: Final[dict[str, type[Refused]]] = {
    "idempotency_conflict": IdempotencyConflict,
    "task_finished": TaskFinished,
    "task_not_retriable": TaskNotRetriable,
    "nothing_asked": NothingAsked,
    "already_resolved": AlreadyResolved,
    "not_a_dead_letter": NotADeadLetter,
}

_BY_STATUS: Final[dict[int, type[Refused]]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidRequest,
    429: TooManyRequests,
}


#: The `type` of an answer that is none of Opspawn's.
HTTP_ERROR: Final = "http_error"


def refused(status: int, body: dict[str, Any] | None, retry_after_s: float | None) -> Refused:
    """The error for an answer: by its `type`, and where that is new, by its status."""
    if body is None or "title" not in body:
        detail = "not as Opspawn answers: is this the address of one, or of a proxy before it?"
        return _class("", status)(HTTP_ERROR, status, detail, retry_after_s=retry_after_s)
    type_ = str(body.get("type", "")).removeprefix(PREFIX)
    fields = [one for one in body.get("errors") or [] if isinstance(one, dict)]
    return _class(type_, status)(
        type_,
        status,
        str(body.get("detail") or body["title"]),
        errors=tuple(FieldError(str(f.get("path")), str(f.get("message"))) for f in fields),
        request_id=body.get("request_id"),
        retry_after_s=retry_after_s,
    )


def _class(type_: str, status: int) -> type[Refused]:
    by_status = Unavailable if status >= 500 else _BY_STATUS.get(status, Refused)
    return _BY_TYPE.get(type_, by_status)
