"""The program of the trials: a durable handler of four steps whose effects go to the outside ledger.

This is the one file of the sweeps that knows by which journal steps are recorded.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import JsonValue
from sweep_ledger import Ledger

from agentkit.boundary import Outcome
from agentkit.decisions import Allow
from agentkit.journal import Step
from agentkit.messages import Effect, ToolMessage
from agentkit.wire import from_json, to_json
from ops_core.errors import TaskFailed
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, Task
from opspawn.agents.journal import TaskJournal

#: The steps, in order: what running each a second time would do.
EFFECTS: Final[tuple[Effect, ...]] = ("pure", "idempotent", "unsafe", "pure")

#: What a call that was announced, and of whose end nobody knows, must not be made again: a person is asked.
ASKED_ABOUT: Final[frozenset[Effect]] = frozenset({"idempotent", "unsafe"})

#: What a gate is told before the first step.
START: Final = "start"

Gate = Callable[[str, Task], Awaitable[None]]


async def open_gate(path: str, task: Task) -> None:
    """A gate that stops nobody."""


def path_of(number: int) -> str:
    """The path of a step, counted from 1."""
    return f"{number}/tool/1"


class Program:
    """`TaskHandler`. `gate` is awaited before the first step (with the path `START`) and inside each effect: a
    trial uses it to do something just then.

    `input_data` says how the task goes: so many of its attempts (`fails_attempts`) and of its generations
    (`fails_generations`) fail after the second step.
    """

    def __init__(self, ledger: Ledger, gate: Gate = open_gate, *, version: int = 1) -> None:
        self._ledger = ledger
        self._gate = gate
        self._version = version

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        steps = _Steps(task, log, self._ledger, self._gate, self._version)
        await self._gate(START, task)
        values = [await steps.make(1), await steps.make(2)]
        if task.generation <= task.input_data.get("fails_generations", 0):
            raise TaskFailed("told_to", "This generation fails.")
        if task.attempt <= task.input_data.get("fails_attempts", 0):
            raise TaskFailed("told_to", "This attempt fails.", retryable=True)
        values += [await steps.make(3), await steps.make(4)]
        return {"values": values, "epoch": task.epoch}


class _Steps:
    """The steps of one run, over the journal."""

    def __init__(self, task: Task, log: TaskLog, ledger: Ledger, gate: Gate, version: int) -> None:
        self._version = version
        self._task = task
        self._ledger = ledger
        self._gate = gate
        self._journal = TaskJournal(log)

    async def make(self, number: int) -> Any:
        """What the step brought, when it first ran: its number and the epoch it ran under."""
        effect, path = EFFECTS[number - 1], path_of(number)
        arguments: JsonValue = {"version": self._version}
        step = Step(path, "tool", f"tool_{number}", arguments, effect)

        async def run() -> JsonValue:
            value = await self._take_effect(path, effect)
            message = ToolMessage(path, f"tool_{number}", json.dumps(value))
            return to_json(Outcome(message, Allow("trial")))

        recorded = await self._journal.record(step, run)
        return json.loads(from_json(Outcome, recorded).observation.text)

    async def _take_effect(self, path: str, effect: Effect) -> JsonObject:
        self._ledger.write(
            tenant=self._task.tenant_id,
            effect=effect,
            path=path,
            epoch=self._task.epoch,
            key=key_of(self._task.task_id, path),
        )
        await self._gate(path, self._task)
        return {"path": path, "epoch": self._task.epoch}


def value_of(event: dict[str, Any]) -> Any:
    """What a finished step brought, from its event."""
    return json.loads(event["journal"]["value"]["observation"]["text"])


def key_of(task_id: str, path: str) -> str:
    """The idempotency key of a step."""
    return hashlib.sha256(f"{task_id}:{path}".encode()).hexdigest()
