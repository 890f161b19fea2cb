"""An event in words: what the view prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; `words` may be several lines."""

    label: str
    words: str = ""
    style: str = ""
    detail: str = ""
    """Small print below: tokens, cost, time."""

    says: str | None = None
    """What a later event may say again."""

    is_echo: bool = False
    """Left out when a line that `says` the same was shown before."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event in words; `busy` says what is being waited for after it."""

    lines: tuple[Line, ...] = ()
    busy: str = ""
