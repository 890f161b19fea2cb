"""Pages of what is in memory: its cursors are the last ids."""

from collections.abc import Mapping
from typing import Any

from ops_core.errors import FieldError, InvalidRequest


def page_of(
    sorted_by: Mapping[str, Any], limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    """The ids of one page, the largest key first, and the cursor of the next one.

    Raises `InvalidRequest` for a cursor that is no id.
    """
    ids = sorted(sorted_by, key=lambda each: sorted_by[each], reverse=True)
    if cursor is not None and cursor not in sorted_by:
        message = "was not given out by this server; start again without it"
        raise InvalidRequest([FieldError("cursor", message)])
    start = 0 if cursor is None else ids.index(cursor) + 1
    page = ids[start : start + limit]
    return page, page[-1] if len(ids) > start + limit else None
