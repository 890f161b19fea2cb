"""The bounds of what clients ask for, the same at every door: pages, ids, idempotency keys."""

from typing import Final

from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import check_json

MAX_PAGE: Final = 200
MAX_KEY_LENGTH: Final = 255


def check_count(count: int, name: str = "limit", most: int = MAX_PAGE) -> None:
    """Raises `InvalidRequest`."""
    if not 1 <= count <= most:
        raise InvalidRequest([FieldError(name, f"must be between 1 and {most}")])


def check_after(after: int) -> None:
    """Raises `InvalidRequest`."""
    if not 0 <= after < 2**63:
        raise InvalidRequest([FieldError("after", "must be a sequence number, 0 or larger")])


def checked_id(value: str, name: str = "id") -> str:
    """The id, if any store could have it. Raises `InvalidRequest`."""
    check_json({name: value})
    return value


def checked_key(key: str | None) -> str | None:
    """The idempotency key, if it can be one. Raises `InvalidRequest`."""
    if key is None or (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        return key
    message = f"must be 1 to {MAX_KEY_LENGTH} printable characters"
    raise InvalidRequest([FieldError("Idempotency-Key", message)])
