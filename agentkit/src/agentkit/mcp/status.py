"""What an operator can read about the servers of a client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["idle", "connecting", "connected", "waiting", "closed"]
"""`idle`: nobody has needed it yet; `waiting`: for the next attempt after `error`."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A tool that is not what it was when it was pinned: nobody gets it until it is accepted."""

    name: str
    pinned: str
    found: str


OnWithheld: TypeAlias = Callable[[Withheld], None]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server. `tools` are the names that can be called; `left_out` says why others cannot.

    `error` is why it is not connected, `said` the end of what it wrote to its standard error.
    """

    name: str
    state: State
    error: str | None
    tools: tuple[str, ...]
    withheld: tuple[Withheld, ...]
    left_out: tuple[str, ...]
    protocol: str | None
    attempts: int
    said: str


OnStatus: TypeAlias = Callable[[ServerStatus], None]
"""Told when a server is connected, lost or out of reach, and when its tools were looked at again."""
