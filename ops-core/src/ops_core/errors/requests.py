"""A request that cannot be taken as it is written."""

from dataclasses import dataclass
from typing import ClassVar

from ops_core.errors.kinds import CallerError


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


class IdempotencyConflict(CallerError):
    """The idempotency key was used before with another body."""

    type = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used before with another request; "
            "use a new key, or send the first request again unchanged."
        )
