"""Cursors of pages that are sorted by when their rows were made: opaque to clients, stable under inserts."""

import base64
import binascii
import json
from datetime import datetime

from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import is_storable_time


def cursor_of(created_at: datetime, last_id: str) -> str:
    """What leads on from the last row of a page."""
    raw = json.dumps([created_at.isoformat(), last_id])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> dict[str, datetime | str | None]:
    """The parameters `created_at` and `last_id` of a query; both None for the first page.

    Raises `InvalidRequest` for what `cursor_of` did not make.
    """
    if cursor is None:
        return {"created_at": None, "last_id": None}
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_text, last_id = json.loads(base64.urlsafe_b64decode(padded))
        created_at = datetime.fromisoformat(created_text)
    except (ValueError, TypeError, binascii.Error):
        raise _foreign() from None
    if not isinstance(last_id, str) or "\0" in last_id or not is_storable_time(created_at):
        raise _foreign()
    return {"created_at": created_at, "last_id": last_id}


def _foreign() -> InvalidRequest:
    message = "was not given out by this server; start again without it"
    return InvalidRequest([FieldError("cursor", message)])
