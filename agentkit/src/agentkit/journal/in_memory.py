"""The journal of a run that lives in one process."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never, cast
from uuid import uuid4

from agentkit.errors import Nondeterministic, UsageError
from agentkit.journal.children import Children, RunChild
from agentkit.journal.port import IN_DOUBT, Step, UnknownOutcome

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Record:
    """A finished step, as `InMemoryJournal` keeps it."""

    path: str
    input_hash: str
    value: JsonValue


class InMemoryJournal:
    """Keeps the records of one run in memory, and replays earlier ones it is given.

    It waits by holding the coroutine: timers by `sleep`, questions and approvals by `answer` (given
    the step, it returns the answer; without it nothing is approved), children by `run_child` (given
    goal and options, it returns the output). Nobody can be asked about an unknown outcome here: the
    model is told, also on the replay of a run that was cancelled while an unsafe step was under
    way. Give a replay the `run_id` of the first run, and its idempotency keys are the
    same.
    """

    def __init__(
        self,
        earlier: Iterable[Record] = (),
        *,
        run_id: str | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        answer: Callable[[Step], Awaitable[JsonValue]] | None = None,
        run_child: RunChild | None = None,
    ) -> None:
        self.run_id = uuid4().hex if run_id is None else run_id
        self._earlier = {record.path: record for record in earlier}
        self._records: dict[str, Record] = {}
        self._sleep = sleep
        self._answer = answer
        self._children = Children(run_child)

    @property
    def records(self) -> tuple[Record, ...]:
        """What this run did or replayed, in the order it finished."""
        return tuple(self._records.values())

    def idempotency_key(self, path: str) -> str:
        """SHA-256 over run id and path, in hex."""
        return hashlib.sha256(f"{self.run_id}\n{path}".encode()).hexdigest()

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
        value = await self._known(step, run) if earlier is None else earlier.value
        self._keep(step, value)
        return value

    async def wait(self, step: Step) -> JsonValue:
        """See `Journal`. Raises UsageError when it was not told how to wait for that."""
        return await self.record(step, lambda: self._waited(step))

    async def start_child(self, step: Step) -> str:
        """See `Journal`. A child belongs to this process: a replay starts it again when waited for."""
        task_id = f"{self.run_id}/{step.path}"
        self._children.add(task_id, step.arguments)

        async def start() -> JsonValue:
            self._children.start(task_id)
            return task_id

        return cast("str", await self.record(step, start))

    async def _known(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        try:
            return await run()
        except UnknownOutcome as unknown:
            return unknown.value
        except Exception:
            raise
        # Protects the effect: the run ends here, and a replay must not make the call once more.
        except BaseException:
            if step.effect == "unsafe" and step.reported is not None:
                self._keep(
                    step, step.reported(f"{step.name} was cancelled with its run. {IN_DOUBT}", True)
                )
            raise

    def _keep(self, step: Step, value: JsonValue) -> None:
        self._records[step.path] = Record(step.path, step.input_hash, value)

    async def _waited(self, step: Step) -> JsonValue:
        arguments = cast("dict[str, JsonValue]", step.arguments)
        match step.kind:
            case "timer":
                await self._sleep(cast("float", arguments["seconds"]))
                return None
            case "approval" if self._answer is None:
                return {"decision": "reject", "comment": "there is nobody to ask"}
            case "input" | "approval":
                if self._answer is None:
                    raise UsageError(
                        "A tool asked a person, and there is none: pass "
                        "InMemoryJournal(answer=…), an async function from the step to the answer."
                    )
                return await self._answer(step)
            case "children":
                ids, need = cast("list[str]", arguments["tasks"]), cast("int", arguments["need"])
                return await self._children.ended(ids, need)
            case "llm" | "tool" | "clock" | "random" | "value" | "memory" | "child":
                raise UsageError(
                    f"Step {step.path} is a {step.kind}, which is nothing to wait for."
                )
            case _:
                assert_never(step.kind)
