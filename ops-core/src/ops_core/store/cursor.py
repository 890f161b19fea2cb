"""Cursors of lists: the sort key of the last row of a page, so that inserts do not shift pages."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import is_storable_time

T = TypeVar("T")


def cursor_of(at: datetime, name: str) -> str:
    """Opaque to clients."""
    raw = json.dumps([at.isoformat(), name])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def next_cursor(
    found: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, str]]
) -> str | None:
    """Where the next page begins, if there is one: of what was found, one more than `limit` was asked for.

    `place`: the sort key of a row.
    """
    return cursor_of(*place(found[limit - 1])) if len(found) > limit else None


def after(cursor: str | None, at: Any, name: Any) -> list[ColumnElement[bool]]:
    """The rows behind a cursor, of a list that is newest first by the columns `at` and `name`.

    Raises `InvalidRequest` for a cursor that was not given out.
    """
    if cursor is None:
        return []
    last_at, last_name = read_cursor(cursor)
    same = and_(col(at) == last_at, col(name) < last_name)
    return [or_(col(at) < last_at, same)]


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises `InvalidRequest` for one that was not given out."""
    try:
        return _sort_key(cursor)
    except (ValueError, TypeError, binascii.Error):
        message = "was not given out by this server; start again without it"
        raise InvalidRequest([FieldError("cursor", message)]) from None


def _sort_key(cursor: str) -> tuple[datetime, str]:
    at_text, name = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    at = datetime.fromisoformat(at_text)
    if not isinstance(name, str) or "\0" in name or not is_storable_time(at):
        raise ValueError("not a sort key")
    return at, name


def place_of(cursor: str | None) -> dict[str, datetime | str | None]:
    """The parameters `created_at` and `last_id` of a query; both None for the first page.

    Raises `InvalidRequest` for a cursor that was not given out.
    """
    if cursor is None:
        return {"created_at": None, "last_id": None}
    created_at, last_id = read_cursor(cursor)
    return {"created_at": created_at, "last_id": last_id}
