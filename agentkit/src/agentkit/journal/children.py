"""The children of a run: what one came to, and those that run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from agentkit.errors import UsageError
from agentkit.wire import to_json

if TYPE_CHECKING:
    from pydantic import JsonValue

RunChild: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Runs a goal with options to its end, and returns the output."""


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What a child came to. `status` is `completed`, `failed` or `cancelled`."""

    task_id: str
    status: str
    output: str | None = None
    error: str | None = None


class Children:
    """The children that one run has in this process; those nobody waits for go on by themselves."""

    def __init__(self, run: RunChild | None) -> None:
        self._run = run
        self._arguments: dict[str, dict[str, Any]] = {}
        self._running: dict[str, asyncio.Task[ChildResult]] = {}

    def add(self, task_id: str, arguments: JsonValue) -> None:
        """Know what the child is to do, should it have to be started."""
        self._arguments[task_id] = cast("dict[str, Any]", arguments)

    def start(self, task_id: str) -> asyncio.Task[ChildResult]:
        """Start it, unless it was. Raises UsageError where nothing runs children."""
        if self._run is None:
            raise UsageError(
                "A tool started a child, and nothing runs it: pass InMemoryJournal(run_child=…), "
                "an async function from goal and options to the output."
            )
        if task_id not in self._running:
            child = _end_of(task_id, self._run, self._arguments[task_id])
            self._running[task_id] = asyncio.create_task(child)
        return self._running[task_id]

    async def ended(self, task_ids: Sequence[str], need: int) -> JsonValue:
        """Wait until `need` have ended; the results of all that have, in the order of the ids."""
        running = [self.start(task_id) for task_id in task_ids]
        while sum(child.done() for child in running) < need:
            under_way = [child for child in running if not child.done()]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        return [to_json(child.result()) for child in running if child.done()]


async def _end_of(task_id: str, run: RunChild, arguments: dict[str, Any]) -> ChildResult:
    options = {name: value for name, value in arguments.items() if name != "goal"}
    try:
        return ChildResult(task_id, "completed", await run(arguments["goal"], options))
    # Protects the parent: a child's failure is a result that it reads.
    except Exception as error:  # noqa: BLE001
        return ChildResult(task_id, "failed", error=f"{type(error).__name__}: {error}")
