"""How far a run may go, and the meter that says when it has gone too far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

from agentkit.clock import Clock
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import Limit
from agentkit.messages import Reply, Usage

DEFAULT_STEPS = 20
"""Enough for real work, few enough that a model in a loop is stopped within minutes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run; None means no limit.

    `steps` counts model calls, `tokens` input plus output of all of them, `seconds` the time this
    process has spent on the run. `tokens` is checked between steps, so the last reply may go over;
    `seconds` also interrupts a call that is under way. In a replay, `seconds` counts from the first
    step that is not recorded: what is recorded is never cut, however long ago or slowly read.
    """

    steps: int | None = DEFAULT_STEPS
    seconds: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and value <= 0:
                raise UsageError(f"Limits({limit.name}={value}): give a number above 0, or None.")


class Meter:
    """What one run has used so far, held against its limits."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.steps = 0
        self.usage = Usage.none()
        self._partial_output = ""
        self._limits = limits
        self._clock = clock
        self._started_s: float | None = None
        self._cut_short = False

    def open_step(self) -> int:
        """The number of the next step. Raises LimitExceeded when there may be none."""
        limits = self._limits
        if limits.steps is not None and self.steps >= limits.steps:
            raise self._exceeded("steps", f"{self.steps} steps made, {limits.steps} allowed.")
        used = self.usage.total_tokens
        if limits.tokens is not None and used >= limits.tokens:
            raise self._exceeded("tokens", f"{used} tokens used, {limits.tokens} allowed.")
        # Not before anything was done for real: until then, the step may be a recorded one.
        if self._started_s is not None:
            self._remaining_s()
        self.steps += 1
        return self.steps

    def count(self, reply: Reply) -> None:
        """Add a reply to what was used; its text is the partial result if the run is cut."""
        self.usage += reply.usage
        self._partial_output = reply.message.text or self._partial_output

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Cancel what is awaited inside, and raise LimitExceeded, when the seconds are over.

        Around what is done for real, never around what a journal may have recorded.
        """
        deadline = asyncio.timeout(self._remaining_s())
        try:
            async with deadline:
                yield
        except TimeoutError:
            if deadline.expired():
                # Kept, because what was cut may be settled before this goes on.
                self._cut_short = True
                raise self._out_of_time() from None
            raise

    def _remaining_s(self) -> float | None:
        if self._limits.seconds is None:
            return None
        now_s = self._clock.monotonic_s()
        if self._started_s is None:
            self._started_s = now_s
        remaining = self._limits.seconds - (now_s - self._started_s)
        if remaining <= 0 or self._cut_short:
            raise self._out_of_time()
        return remaining

    def _out_of_time(self) -> LimitExceeded:
        return self._exceeded("seconds", f"{self._limits.seconds} seconds allowed.")

    def _exceeded(self, limit: Limit, detail: str) -> LimitExceeded:
        return LimitExceeded(limit, detail, self._partial_output, self.usage)
