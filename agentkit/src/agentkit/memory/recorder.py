"""What a memory does, through the journal and the meter of the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from agentkit.events import Event, MemoryUsed
from agentkit.journal import Journal, Step
from agentkit.limits import Meter
from agentkit.messages import Usage

if TYPE_CHECKING:
    from pydantic import JsonValue


class StepRecorder:
    """Implements `Recorder` for one step of a run."""

    __slots__ = ("_journal", "_meter", "_step", "_tell")

    def __init__(
        self, journal: Journal, meter: Meter, step: int, tell: Callable[[Event], None]
    ) -> None:
        self._journal = journal
        self._meter = meter
        self._step = step
        self._tell = tell

    async def __call__(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """See `Recorder`."""

        async def within_the_limits() -> JsonValue:
            async with self._meter.deadline():
                return await run()

        step = Step(f"{self._step}/memory/{name}", "memory", name, None, "pure")
        recorded = await self._journal.record(step, within_the_limits)
        self._tell(MemoryUsed(self._step, name))
        return recorded

    def spent(self, usage: Usage) -> None:
        """See `Recorder`."""
        self._meter.spend(usage)
