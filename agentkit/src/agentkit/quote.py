"""How much of what somebody else wrote is repeated in an error or a refusal."""

from __future__ import annotations

LONGEST_QUOTE = 500
"""Characters: enough to find the place, and no way to fill a prompt or a log."""


def quote(text: object) -> str:
    """The beginning of it."""
    return str(text)[:LONGEST_QUOTE]
