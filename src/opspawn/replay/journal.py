"""The agent's journal in a replay: each step comes from the log, and is told as it was told then."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from pydantic import JsonValue

from agentkit.journal import Step
from ops_core.errors import TaskFailed
from ops_core.log import Event
from ops_core.task import Task
from opspawn.agents.journal import AgentTelling, Start, TaskJournal, step_of
from opspawn.replay.difference import Difference, asked, place, short, told
from opspawn.replay.tape import Tape

T = TypeVar("T")

#: What is no word of the agent's own: it differs from run to run, or a fork has put it there.
_NOT_COMPARED: Final = frozenset({"duration_s", "copied", "replaced"})


class TapeJournal(TaskJournal):
    """`agentkit.Journal` over a tape: never runs a step. Raises `Difference`."""

    def __init__(self, task: Task, log: Tape, start: Start) -> None:
        super().__init__(task, log, start)
        self._tape = log

    async def record(self, asked_for: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """The recorded value, with everything that was told of it compared."""
        event = self._tape.finished(asked_for)
        value = await self._same(asked_for, event, super().record(asked_for, run))
        self._compare_call(asked_for)
        # What a person, or whoever forked the task, said of a call is not told in the agent's words.
        if "value" in (event.journal or {}):
            self._compare(asked_for, event, value)
        return value

    async def wait(self, asked_for: Step) -> JsonValue:
        """What came, if it came."""
        return await self._same(asked_for, self._tape.finished(asked_for), super().wait(asked_for))

    async def start_child(self, asked_for: Step) -> str:
        """The child that was started then."""
        return await self._same(
            asked_for, self._tape.finished(asked_for), super().start_child(asked_for)
        )

    async def _same(self, asked_for: Step, event: Event, replayed: Awaitable[T]) -> T:
        try:
            return await replayed
        except TaskFailed as error:
            if error.error_type != "nondeterministic":
                raise
            raise Difference(place(asked_for.path), told(event), asked(asked_for)) from None

    def _compare_call(self, asked_for: Step) -> None:
        call = self._tape.dispatched(asked_for.path)
        if call is not None and call.data["effect"] != asked_for.effect:
            raise Difference(
                place(asked_for.path),
                f"a tool whose effect is {call.data['effect']}",
                f"one whose effect is {asked_for.effect}",
            )

    def _compare(self, asked_for: Step, event: Event, value: JsonValue) -> None:
        kind, data, _ = AgentTelling().finished(step_of(asked_for), value, 0.0)
        if kind != event.type:
            raise Difference(place(asked_for.path), told(event), f"{kind} {short(data)}")
        for name, then in event.data.items():
            # What a newer build tells besides is no difference: changes are additive.
            if name not in _NOT_COMPARED and data.get(name) != then:
                raise Difference(
                    place(asked_for.path),
                    f"{event.type} with {name} {short(then)}",
                    f"{name} {short(data.get(name))}",
                )


def asked_model(calls: Sequence[Event], names: Iterable[str | None]) -> str | None:
    """The name under which the model of recorded calls was asked, if it is one of these.

    Its replies may name another one (a dated version); the log keeps the name that was asked as a hash.
    """
    hashes = {(entry["path"], entry.get("hash")) for e in calls if (entry := e.journal) is not None}
    for name in names:
        if name is not None and any(
            Step(path, "llm", name, None, "pure").input_hash == digest for path, digest in hashes
        ):
            return name
    return None
