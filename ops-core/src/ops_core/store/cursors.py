"""Where the next page of a list begins, as clients are given it: opaque, and stable under inserts."""

import base64
import binascii
import json
from datetime import datetime

from ops_core.errors import FieldError, InvalidRequest
from ops_core.request import is_storable_time


def write_cursor(at: datetime, id_: str) -> str:
    """For the last row of a page: its sort key, so that inserts do not shift pages."""
    raw = json.dumps([at.isoformat(), id_])
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises `InvalidRequest` for one that `write_cursor` did not make."""
    try:
        at_text, id_ = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        at = datetime.fromisoformat(at_text)
        if not isinstance(id_, str) or "\0" in id_ or not is_storable_time(at):
            raise ValueError("not a sort key")  # noqa: TRY301  # every fault has one answer
    except (ValueError, TypeError, binascii.Error):
        message = "was not given out by this server; start again without it"
        raise InvalidRequest([FieldError("cursor", message)]) from None
    return at, id_
