"""The journal of a run inside a call: the same journal, under the path of the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from agentkit.journal import Journal, Step

if TYPE_CHECKING:
    from pydantic import JsonValue

Operation: TypeAlias = Callable[[list[BaseException]], AbstractAsyncContextManager[None]]
"""Surrounds what is asked of the journal, and lets pass what is in the list when it is raised."""


class InnerJournal:
    """`Journal` for an agent that is called as a tool: what it records is found by its path.

    `operation` lets what the journal itself raises out past the tool around the inner run. What
    a step raises, a model's error for one, is no word of the journal: the inner run ends with it.
    """

    def __init__(
        self,
        journal: Journal,
        prefix: str,
        operation: Operation,
        paused: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._journal = journal
        self._prefix = prefix
        self._operation = operation
        self._paused = paused

    def idempotency_key(self, path: str) -> str:
        """See `Journal`."""
        return self._journal.idempotency_key(f"{self._prefix}/{path}")

    async def record(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """See `Journal`."""
        raised_by_run: list[BaseException] = []

        async def watched() -> JsonValue:
            try:
                return await run()
            except BaseException as error:  # told apart from what the journal raises
                raised_by_run.append(error)
                raise

        async with self._operation(raised_by_run):
            return await self._journal.record(self._inside(step), watched)

    async def wait(self, step: Step) -> JsonValue:
        """See `Journal`. The time of the tool around the run stands still meanwhile."""
        with self._paused():
            async with self._operation([]):
                return await self._journal.wait(self._inside(step))

    async def start_child(self, step: Step) -> str:
        """See `Journal`."""
        async with self._operation([]):
            return await self._journal.start_child(self._inside(step))

    def _inside(self, step: Step) -> Step:
        return replace(step, path=f"{self._prefix}/{step.path}")
