"""Where a page of the history of firings begins: at a number, which no later firing moves."""

from typing import Final

from ops_core.errors import FieldError, InvalidRequest

_NEWEST: Final = 2**63 - 1


def before(cursor: str | None) -> int:
    """The number that a page of firings ends before. Raises `InvalidRequest`."""
    if cursor is None:
        return _NEWEST
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        message = "was not given out by this server; start again without it"
        raise InvalidRequest([FieldError("cursor", message)])
    return int(cursor)
