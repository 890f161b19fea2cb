"""A page of a list in memory, newest first, with the cursors that the real stores give out."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from ops_core.store.cursor import next_cursor, read_cursor

T = TypeVar("T")


def page_of(
    found: Sequence[T],
    key: Callable[[T], tuple[datetime, str]],
    limit: int,
    cursor: str | None,
) -> tuple[list[T], str | None]:
    """The page, and where the next one begins. Raises `InvalidRequest`."""
    before = read_cursor(cursor) if cursor is not None else None
    newest = sorted(found, key=key, reverse=True)
    left = [item for item in newest if before is None or key(item) < before]
    return left[:limit], next_cursor(left, limit, key)
