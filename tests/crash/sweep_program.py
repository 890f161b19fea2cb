"""The program of the trials: a durable handler of four steps whose effects go to the outside ledger.

This is the one file of the sweeps that knows by which journal steps are recorded.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from sweep_ledger import Ledger

from ops_core.children import Children
from ops_core.errors import TaskFailed
from ops_core.journal import Journal
from ops_core.ports import TaskLog
from ops_core.step import Effect, Step
from ops_core.task import JsonObject, Status, Task

#: The steps, in order: what running each a second time would do.
EFFECTS: Final[tuple[Effect, ...]] = ("pure", "idempotent", "unsafe", "pure")

#: What a gate is told before the first step.
START: Final = "start"

#: The step at which a person is asked, and what they say.
ASKING: Final = "2/ask"
ANSWER: Final = "this one"

Gate = Callable[[str, Task], Awaitable[None]]

StartChild = Callable[[Task, JsonObject, str], Awaitable[str]]
"""Submits a task under a key, as the child of a running one; returns its id."""


async def open_gate(path: str, task: Task) -> None:
    """A gate that stops nobody."""


def path_of(number: int) -> str:
    """The path of a step, counted from 1."""
    return f"{number}/tool/1"


class Program:
    """`TaskHandler`. `gate` is awaited before the first step (told `START`) and inside each effect (told its
    path): a trial uses it to do something just then.

    `input_data` says what happens after the second step: so many attempts (`fails_attempts`) or
    generations (`fails_generations`) fail there, it asks a person (`asks`), sleeps (`sleeps_s`), or
    starts a child and waits for it (`has_child`).
    """

    pins: Sequence[str] = ()
    supports: frozenset[str] = frozenset()

    def __init__(
        self, ledger: Ledger, start_child: StartChild, gate: Gate = open_gate, *, version: int = 1
    ) -> None:
        self._ledger = ledger
        self._start_child = start_child
        self._gate = gate
        self._version = version

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        journal = Journal(task, log)
        steps = _Steps(task, journal, self._ledger, self._gate, self._version)
        await self._gate(START, task)
        values = [await steps.make(1), await steps.make(2)]
        if task.generation <= task.input_data.get("fails_generations", 0):
            raise TaskFailed("told_to", "This generation fails.")
        if task.attempt <= task.input_data.get("fails_attempts", 0):
            raise TaskFailed("told_to", "This attempt fails.", retryable=True)
        await self._wait(task, log, journal)
        values += [await steps.make(3), await steps.make(4)]
        return {"values": values, "epoch": task.epoch}

    async def _wait(self, task: Task, log: TaskLog, journal: Journal) -> None:
        told = task.input_data
        if "asks" in told and await journal.ask(ASKING, {"question": "which?"}) != ANSWER:
            raise TaskFailed("wrong_answer", "This is not what the person said.")
        if "sleeps_s" in told:
            await journal.sleep("2/sleep", told["sleeps_s"])
        if "has_child" in told:
            children = Children(task, log, partial(self._start_child, task))
            [end] = await children.wait("2/wait", [await children.start("2/child", {})])
            if end.status is not Status.COMPLETED:
                raise TaskFailed("child_failed", f"The child is {end.status}.")


class _Steps:
    """The steps of one run, over the journal."""

    def __init__(
        self, task: Task, journal: Journal, ledger: Ledger, gate: Gate, version: int
    ) -> None:
        self._version = version
        self._task = task
        self._ledger = ledger
        self._gate = gate
        self._journal = journal

    async def make(self, number: int) -> Any:
        """What the step brought, when it first ran: its path and the epoch it ran under."""
        effect, path = EFFECTS[number - 1], path_of(number)
        step = Step(path, "tool", f"tool_{number}", {"version": self._version}, effect)

        async def run() -> JsonObject:
            self._ledger.write(
                task=self._task.task_id,
                effect=effect,
                path=path,
                epoch=self._task.epoch,
                key=self._journal.idempotency_key(path),
            )
            await self._gate(path, self._task)
            return brought(path, self._task.epoch)

        return await self._journal.record(step, run)


def brought(path: str, epoch: int) -> JsonObject:
    """What a step brings that ran under this epoch."""
    return {"path": path, "epoch": epoch}
