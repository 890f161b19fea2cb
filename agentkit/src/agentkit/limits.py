"""How far a run may go, and the meter that says when it has gone too far."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import TracebackType

from agentkit.clock import Clock
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import Limit
from agentkit.messages import Reply, Usage

DEFAULT_STEPS = 20
"""Enough for real work, few enough that a model in a loop is stopped within minutes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run; None means no limit.

    `steps` counts model calls, `tokens` input plus output of all of them, `cost_usd` their price,
    `seconds` the time this process has spent on the run, and `calls` how often each tool named
    there may be called. `tokens` and `cost_usd` are checked between steps, so the last reply may go
    over; `seconds` also interrupts a call that is under way. In a replay, `seconds` counts from the
    first step that is not recorded: what is recorded is never cut, however long ago or slowly read.

    A price that is not known cannot be held against `cost_usd`, so it counts as reached: the run
    ends before the next step. What agents use that are called as tools counts for `tokens`,
    `cost_usd` and `seconds`; their steps and calls have limits of their own.
    """

    steps: int | None = DEFAULT_STEPS
    seconds: float | None = None
    tokens: int | None = None
    cost_usd: Decimal | float | None = None
    calls: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {limit.name: getattr(self, limit.name) for limit in fields(self)}
        given |= {f"calls[{tool}]": most for tool, most in given.pop("calls").items()}
        for name, value in given.items():
            if value is not None and (math.isnan(value) or value <= 0):
                raise UsageError(f"Limits({name}={value}): give a number above 0, or None.")
            if name not in ("seconds", "cost_usd") and not isinstance(value, int | None):
                raise UsageError(f"Limits({name}={value}): give a whole number, or None.")


class Meter:
    """What one run has used so far, held against its limits and those of the run `above` it."""

    __slots__ = (
        "_above",
        "_below",
        "_calls",
        "_clock",
        "_cut_short",
        "_limits",
        "_partial_output",
        "_started_s",
        "steps",
        "usage",
    )

    def __init__(self, limits: Limits, clock: Clock, above: Meter | None = None) -> None:
        self.steps = 0
        self.usage = Usage.none()
        self._partial_output = ""
        self._limits = limits
        self._clock = clock
        # Tuples: most runs wait with nothing in them, ten thousand at a time.
        self._calls: tuple[str, ...] = ()
        self._above = above
        self._below: tuple[Meter, ...] = ()
        self._started_s: float | None = None
        self._cut_short = False

    def inner(self, limits: Limits, clock: Clock) -> Meter:
        """The meter of an agent that is called as a tool; what it uses is held against both."""
        meter = Meter(limits, clock, self)
        self._below += (meter,)
        return meter

    @property
    def spent(self) -> Usage:
        """What was used, with what the agents use that are called as tools right now."""
        return sum((meter.spent for meter in self._below), self.usage)

    def open_step(self) -> int:
        """The number of the next step. Raises LimitExceeded when there may be none."""
        limits = self._limits
        if limits.steps is not None and self.steps >= limits.steps:
            raise self._exceeded("steps", f"{self.steps} steps made, {limits.steps} allowed.")
        self.check()
        self.steps += 1
        return self.steps

    def check(self) -> None:
        """Raise LimitExceeded when this run, or one around it, may spend nothing more."""
        if self._above is not None:
            self._above.check()
        limits, spent = self._limits, self.spent
        if limits.tokens is not None and spent.total_tokens >= limits.tokens:
            detail = f"{spent.total_tokens} tokens used, {limits.tokens} allowed."
            raise self._exceeded("tokens", detail)
        if limits.cost_usd is not None:
            self._check_cost(limits.cost_usd, spent.cost_usd)
        # Not before anything was done for real: until then, the step may be a recorded one.
        if self._started_s is not None:
            self._remaining_s()

    def count(self, reply: Reply) -> None:
        """Add a reply to what was used; its text is the partial result if the run is cut."""
        self.spend(reply.usage)
        self._partial_output = reply.message.text or self._partial_output

    def spend(self, usage: Usage) -> None:
        """Add what was asked of a model beside the steps themselves."""
        self.usage += usage

    def count_calls(self, tools: Iterable[str]) -> None:
        """Count calls before they are made. Raises LimitExceeded when one is one too many."""
        for tool in tools:
            most = self._limits.calls.get(tool)
            if most is None:
                continue
            self._calls += (tool,)
            if self._calls.count(tool) > most:
                raise self._exceeded("calls", f"{tool} was asked for again, {most} calls allowed.")

    def settle(self, used: Iterable[Usage | None]) -> None:
        """Add what was used inside of calls, which are over, in the order of the program."""
        self._below = ()
        for usage in used:
            self.usage += usage or Usage.none()

    def deadline(self) -> _Deadline:
        """Cancel what is awaited inside, and raise LimitExceeded, when the seconds are over.

        Around what is done for real, never around what a journal may have recorded.
        """
        return _Deadline(self, self._remaining_s())

    def cut_short(self) -> LimitExceeded:
        """What ends the run whose call was cut. Kept, for the call may be settled before that."""
        self._cut_short = True
        return self._out_of_time()

    def _check_cost(self, most: Decimal | float, spent: Decimal | None) -> None:
        if spent is None:
            raise self._exceeded(
                "cost",
                "what was used has no known price, so a limit on the cost cannot be kept: use a "
                "model whose price is known, or limit tokens instead.",
            )
        # By its digits: the binary 0.002 is a little more than the price that was meant.
        if spent >= Decimal(str(most)):
            raise self._exceeded("cost", f"${spent} spent, ${most} allowed.")

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
        return LimitExceeded(limit, detail, self._partial_output, self.spent)


class _Deadline:
    """`asyncio.timeout` that ends a run. Not a generator: ten thousand runs wait inside of one each."""

    __slots__ = ("_meter", "_timeout")

    def __init__(self, meter: Meter, seconds: float | None) -> None:
        self._meter = meter
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise self._meter.cut_short() from None
        if isinstance(error, TimeoutError) and self._timeout.expired():
            raise self._meter.cut_short() from None
