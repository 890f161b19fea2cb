"""The run around a call, as far as an agent must know it that runs inside of the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agentkit.decisions import Decision
from agentkit.events import Event
from agentkit.limits import Meter
from agentkit.messages import Label, ToolCall


@dataclass(slots=True)
class Surroundings:
    """What an inner run is held against (`meter`, `check`), and who hears of it (`tell`).

    `labels`, which grows, says where what the run was shown so far comes from: an inner run begins
    with them, for its goal was written by a model that had seen all that. `check` decides as the
    run's `SecurityManager` does. `depth` counts the agents that are called one inside the other, from 0
    on; `deltas` says whether the listener wants them now.
    """

    depth: int
    deltas: Callable[[], bool]
    meter: Meter
    tell: Callable[[Event], None]
    check: Callable[[ToolCall, Any], Awaitable[Decision]]
    labels: frozenset[Label] = frozenset()
