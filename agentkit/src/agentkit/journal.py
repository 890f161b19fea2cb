"""The port through which every effect of a run goes: each model call, each tool call.

A journal that stores what it is asked to record makes a run durable: started again, it gives back
what is stored instead of calling `run`, and the run continues at the first step that is not. A
step's identity is its path in the program (`3/llm`, `3/tool/1`), given in program order when it is
scheduled. Its input hash covers kind, name and canonical arguments, never the rendered prompt, so
that a better prompt does not break a running task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from agentkit.errors import Nondeterministic, UsageError
from agentkit.messages import Effect

if TYPE_CHECKING:
    from pydantic import JsonValue

StepKind: TypeAlias = Literal["llm", "tool"]


@dataclass(frozen=True, slots=True)
class Step:
    """One effect of a run. `effect` says what running it a second time would do."""

    path: str
    kind: StepKind
    name: str
    arguments: JsonValue
    effect: Effect

    @property
    def input_hash(self) -> str:
        """SHA-256 over kind, name and canonical arguments (sorted keys, no spaces)."""
        canonical = json.dumps(
            [self.kind, self.name, self.arguments], sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class Journal(Protocol):
    """One journal serves one run."""

    async def record(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """Return what is recorded for `step`, or call `run`, record its value and return it.

        What `run` raises passes through and is not recorded. A tool that fails does not raise: its
        value is an observation. An adapter may raise an exception of its own to stop the run; the
        agent lets it through once the other calls of the same step have settled.
        """
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A finished step, as `InMemoryJournal` keeps it."""

    path: str
    input_hash: str
    value: JsonValue


class InMemoryJournal:
    """Keeps the records of one run in memory, and replays earlier ones it is given."""

    def __init__(self, earlier: Iterable[Record] = ()) -> None:
        self._earlier = {record.path: record for record in earlier}
        self._records: dict[str, Record] = {}

    @property
    def records(self) -> tuple[Record, ...]:
        """What this run did or replayed, in the order it finished."""
        return tuple(self._records.values())

    async def record(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """See `Journal`. Raises Nondeterministic when the earlier run asked for something else."""
        if step.path in self._records:
            raise UsageError(f"Step {step.path} is recorded already: give each run a new journal.")
        earlier = self._earlier.get(step.path)
        if earlier is not None and earlier.input_hash != step.input_hash:
            raise Nondeterministic(
                f"Step {step.path} ({step.kind} {step.name}) was recorded with other input. The "
                "agent, its tools or its model changed since: replay with what it started with."
            )
        value = await run() if earlier is None else earlier.value
        self._records[step.path] = Record(step.path, step.input_hash, value)
        return value
