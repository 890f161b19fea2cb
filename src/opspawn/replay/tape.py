"""The log of a recorded run as a handler sees it that runs again: nothing can be added to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NoReturn

from agentkit.journal import Step
from ops_core.errors import TaskFailed
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import ChildEnd, Exchange, Purse
from ops_core.replay import read
from ops_core.task import NOTHING_USED, JsonObject, Usage, Wait
from opspawn.replay.difference import Difference, LogEnds, asked, place, short, told

#: What a run says of its own end. They are said again, and compared.
_ENDS: Final = frozenset({EventType.AGENT_FINISHED, EventType.AGENT_LIMIT})

#: What builds before this one called it.
_FORMER: Final = {"agent.finish": EventType.AGENT_FINISHED}

#: What is told beside a step that is itself compared. Older builds did not tell it.
_BESIDE: Final = frozenset(
    {EventType.AGENT_HANDOFF, EventType.MEMORY_SEARCHED, EventType.MEMORY_SAVED}
)

_TERMINAL: Final = frozenset(
    {EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_CANCELLED}
)

_CLOSING: Final = frozenset({EventType.TOOL_DISPATCHED, EventType.TOOL_UNKNOWN})


class Tape:
    """`TaskLog` of a replay. It also keeps which steps were asked for.

    Raises `Difference` when this build would say or do something that is not in the log.
    """

    def __init__(
        self,
        log: Sequence[Event],
        definitions: Mapping[tuple[str, int], JsonObject] | None = None,
    ) -> None:
        self._definitions = definitions or {}
        log = [replace(event, type=_FORMER.get(event.type, event.type)) for event in log]
        self.history: Sequence[Event] = [event for event in log if event.type not in _ENDS]
        self._log = log
        self._finished = _finished(log)
        self._asked: dict[str, None] = {}

    @property
    def end(self) -> Event | None:
        """The event that ended the task, if one did."""
        last = self._log[-1]
        return last if last.type in _TERMINAL else None

    @property
    def steps(self) -> int:
        """How many recorded steps were asked for so far."""
        return sum(path in self._finished for path in self._asked)

    def has(self, step: Step) -> bool:
        """Whether the step is recorded."""
        return step.path in self._finished

    def finished(self, step: Step) -> Event:
        """The event that ended the step. Raises what `ends` raises when there is none."""
        self._asked[step.path] = None
        event = self._finished.get(step.path)
        if event is None:
            self.ends(step.path, f"the agent would go on with {asked(step)}")
        return event

    def dispatched(self, path: str) -> Event | None:
        """The event that said that an unsafe call was about to be made."""
        calls = (e for e in self._log if e.type == EventType.TOOL_DISPATCHED and _path(e) == path)
        return next(calls, None)

    def ends(self, path: str, got: str) -> NoReturn:
        """The run goes on where the log does not. That is a difference if the run had ended by itself."""
        if self._ended_by_itself():
            raise Difference(place(path), "nothing: the log ends before it", got)
        raise LogEnds

    def left(self) -> list[str]:
        """Recorded steps that the run has not asked for, and that are no part of one that it has."""
        return [
            path
            for path, event in self._finished.items()
            if event.type != EventType.CHILD_FINISHED and not _is_within(path, self._asked)
        ]

    purse: Purse | None = None
    """Nothing is paid for here."""

    async def append(self, *events: NewEvent, usage: Usage = NOTHING_USED) -> None:
        """Only what the run says of its end, and only as it was said."""
        for event in events:
            if event.type in _BESIDE:
                continue
            then = [e for e in self._log if e.type == event.type in _ENDS]
            if any(e.data == event.data for e in then):
                continue
            if self.end is None and not then:
                raise LogEnds
            got = f"{event.type} {short(event.data)}"
            where = _path(event) or "the end of the run"
            raise Difference(where, told(then[-1]) if then else "no such event", got)

    async def read(self) -> Sequence[Event]:
        return self._log

    async def children(self, task_ids: Sequence[str]) -> list[ChildEnd]:
        raise LogEnds

    async def definitions(
        self, versions: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], JsonObject]:
        return {each: self._definitions[each] for each in versions if each in self._definitions}

    async def earlier(self, limit: int) -> list[Exchange]:
        raise LogEnds

    def now(self) -> datetime:
        return self._log[-1].at

    def suspend(self, wait: Wait) -> NoReturn:
        raise LogEnds

    def _ended_by_itself(self) -> bool:
        if self.end is None:
            return False
        limits = [e for e in self._log if e.type == EventType.AGENT_LIMIT]
        # Time runs out for a run, not for its replay.
        in_time = bool(limits) and limits[-1].data["limit"] != "seconds"
        finished = any(e.type == EventType.AGENT_FINISHED for e in self._log)
        return self.end.type == EventType.TASK_COMPLETED or in_time or finished


def _finished(log: Sequence[Event]) -> dict[str, Event]:
    """The event that finished each step. Raises `Difference` for a log that this build cannot read."""
    try:
        paths = read(log).finished
    except TaskFailed as error:
        raise Difference("the log", "a journal that can be replayed", error.message) from None
    return {
        _path(event): event
        for event in log
        if event.journal is not None and _path(event) in paths and event.type not in _CLOSING
    }


def _path(event: Event | NewEvent) -> str:
    return str((event.journal or {}).get("path", ""))


def _is_within(path: str, asked_for: dict[str, None]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:end]) in asked_for for end in range(1, len(parts) + 1))
