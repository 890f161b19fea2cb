"""The journal of a running task: every effect of a handler goes through it, and comes back from it.

A step has a path, its place in the handler's program (`3/tool/1`), given in program order. Started again, a
handler gets its finished steps back by their paths and goes on with the first that is not: nothing that was
done is done again. What a handler waits for ends it (`TaskWaits`) until it has come.

Two rules for a handler: whatever may come out differently another time (the clock, chance, the world) goes
through the journal, and branches that run side by side are gathered with `together`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

import structlog

from ops_core.ask import ID_KEYS, OPENS, AskKind, ask_id, binding
from ops_core.budgets.ledger import Wanted
from ops_core.effects import unknown
from ops_core.errors import FailedBeforeEffect, TaskFailed, TaskWaits, UnknownOutcome
from ops_core.log import EventType, NewEvent, rfc3339, storable
from ops_core.ports import TaskLog
from ops_core.replay import check_same, read
from ops_core.step import Step, idempotency_key
from ops_core.task import JsonObject, Reason, Task, Wait
from ops_core.telling import PLAIN, Telling

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ASKS: Final = {kind: EventType(event) for event, kind in OPENS.items()}
_REASONS: Final = {AskKind.APPROVAL: Reason.APPROVAL, AskKind.INPUT: Reason.INPUT}


class Journal:
    """The steps of one run of a task.

    Raises `TaskFailed` when the log does not fit the program (`nondeterministic`), and what the log raises.
    """

    __slots__ = ("_chance", "_clock", "_log", "_recorded", "_task", "_telling")

    def __init__(
        self,
        task: Task,
        log: TaskLog,
        *,
        telling: Telling = PLAIN,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._task = task
        self._log = log
        self._telling = telling
        self._clock = clock
        self._chance = chance
        self._recorded = read(log.history)

    def idempotency_key(self, path: str) -> str:
        """What an idempotent call of this step carries: the same in every attempt."""
        return idempotency_key(self._task.task_id, path)

    async def record(
        self,
        step: Step,
        run: Callable[[], Awaitable[T]],
        *,
        happened: Callable[[Any], T] | None = None,
        may_use: Wanted | None = None,
    ) -> T:
        """The recorded value of the step, or what `run` returns, recorded. Values are JSON.

        Whatever `run` of an unsafe step raises leaves its outcome in doubt, and the task waits for a person;
        only `FailedBeforeEffect` passes through, as everything does that another step raises. `happened`
        makes the value of what a person says came of a call in doubt; without it their word is the value.
        What the call `may_use` is reserved before it in the budgets that hold for the task.
        """
        entry = self._recorded.value(step)
        if entry is not None:
            return _read(entry, happened)
        if step.effect == "unsafe":
            await self._dispatch(step)
            run = partial(self._effect, step, run)
        if self._log.purse is not None and may_use is not None:
            await self._log.purse.reserve(step.path, may_use)
        started_s = self._clock()
        # Nothing more around it than this: thousands wait in here.
        try:
            made = await run()
        except Exception as error:
            await self._failed(step, error, round(self._clock() - started_s, 3))
            raise
        # As a replay will read it: the run must not go on with anything else.
        made = storable(made)
        await self._keep(step, made, round(self._clock() - started_s, 3))
        return made

    async def _keep(self, step: Step, made: Any, duration_s: float) -> None:
        kind, data, usage = self._telling.finished(step, made, duration_s)
        entry = step.entry | {"value": made}
        await self._log.append(NewEvent(type=kind, data=data, journal=entry), usage=usage)

    async def _failed(self, step: Step, error: Exception, duration_s: float) -> None:
        """What it used all the same is told first: then there is nothing left to be put back."""
        told = self._telling.failed(step, error, duration_s)
        if told is not None:
            kind, data, usage = told
            await self._log.append(NewEvent(type=kind, data=data), usage=usage)
        if self._log.purse is not None:
            await self._log.purse.put_back(step.path)

    async def now(self, path: str) -> datetime:
        """The time, as it was when this step was first made."""

        async def read_clock() -> str:
            return self._log.now().isoformat()

        return datetime.fromisoformat(await self.record(_own(path, "clock", "now"), read_clock))

    async def random(self, path: str) -> float:
        """A number in [0, 1), drawn when this step was first made."""

        async def draw() -> float:
            return self._chance()

        return await self.record(_own(path, "random", "random"), draw)

    async def sleep(self, path: str, seconds: float) -> None:
        """Goes on after so many seconds, counted from when this step was first made; no worker waits."""
        step = _own(path, "timer", "sleep", seconds)
        if self._recorded.value(step) is not None:
            return
        opened = self._opened(step)
        if opened is None:
            until = self._log.now() + timedelta(seconds=seconds)
            await self._open(step, EventType.TIMER_SET, {"until": rfc3339(until)})
        else:
            until = datetime.fromisoformat(opened["until"])
        if self._log.now() < until:
            self._log.suspend(Wait(reason=Reason.TIMER, step=path, until=until))
        await self._close(step, EventType.TIMER_FIRED, {}, None)

    async def ask(
        self, path: str, question: JsonObject, *, expires_in_s: float | None = None
    ) -> Any:
        """What a client answers to the question; until then the task waits.

        Where nobody answers within `expires_in_s`, the value is `NO_ANSWER`.
        """
        step = _own(path, "input", "ask", question)
        return await self._asked(step, AskKind.INPUT, question, expires_in_s)

    async def approve(
        self,
        path: str,
        request: JsonObject,
        *,
        about: JsonObject | None = None,
        expires_in_s: float | None = None,
    ) -> JsonObject:
        """The decision of a client on the request: `{"decision", "comment"}`, and `arguments` where they gave
        others.

        `about` is shown with the request, and is no part of it. Where nobody decides within `expires_in_s`,
        that is a rejection.
        """
        step = _own(path, "approval", "approve", request)
        shown = request | (about or {})
        shown["hash"] = binding(
            self._task.task_id, path, request.get("tool"), request.get("arguments")
        )
        answer: JsonObject = await self._asked(step, AskKind.APPROVAL, shown, expires_in_s)
        return answer

    async def _asked(
        self, step: Step, kind: AskKind, shown: JsonObject, expires_in_s: float | None
    ) -> Any:
        answered = self._recorded.finished.get(step.path)
        opened = self._opened(step)
        if answered is not None:
            return answered["value"]
        name = ask_id(kind, self._task.task_id, step.path, self._task.generation)
        shown = shown | {ID_KEYS[kind]: name}
        if opened is None or step.path in self._recorded.ended:
            opened = shown
            if expires_in_s is not None:
                until = self._log.now() + timedelta(seconds=expires_in_s)
                opened = shown | {"expires_at": rfc3339(until)}
            await self._open(step, _ASKS[kind], opened)
        # Not `Wait.until`: the end of an ask is told to its task as an answer is, and wakes it so.
        until_then = {"until": opened["expires_at"]} if "expires_at" in opened else {}
        detail = shown | until_then
        return self._log.suspend(Wait(reason=_REASONS[kind], step=step.path, detail=detail))

    async def _dispatch(self, step: Step) -> None:
        """The intent of an unsafe call is on disk before it; one whose end is unknown is not made again."""
        recorded = self._recorded
        if step.path in recorded.refused:
            raise TaskFailed(
                "effect_unknown",
                f"Nobody knows whether step {step.path} ({step.name}) took effect, and a person decided that "
                "the task fails for it.",
            )
        call = self._dispatched(step)
        opened = recorded.opened.get(step.path)
        if opened is None:
            await self._log.append(call)
            return
        check_same(step, opened)
        doubt = recorded.doubtful.get(step.path)
        if doubt is None:
            # No run of this handler is under way but this one: whoever made the call has died.
            await self._doubt(step, "its worker died while it ran")
        self._wait_for_word(step, doubt)

    async def _effect(self, step: Step, run: Callable[[], Awaitable[T]]) -> T:
        try:
            return await run()
        except FailedBeforeEffect as error:
            again = NewEvent(
                type=EventType.TOOL_FAILED,
                data=self._dispatched(step).data | {"why": str(error)[:500]},
                journal=step.entry | {"again": True},
            )
            await self._log.append(again)
            raise
        except UnknownOutcome as error:
            await self._doubt(step, str(error)[:500])
        # Nothing of an unsafe call can be known from an error that it did not foresee.
        except Exception as error:
            # Its words stay here: foreign errors repeat URLs and keys, and clients read a task's log.
            log.exception("an unsafe step raised", task_id=self._task.task_id, step=step.path)
            await self._doubt(
                step, f"it raised {type(error).__name__}; the worker's log has the rest"
            )

    async def _doubt(self, step: Step, why: str) -> NoReturn:
        event = unknown(self._dispatched(step), why)
        await self._log.append(event)
        self._wait_for_word(step, event.data)

    def _wait_for_word(self, step: Step, doubt: JsonObject | None) -> NoReturn:
        self._log.suspend(
            Wait(reason=Reason.EFFECT_UNKNOWN, step=step.path, detail=dict(doubt or {}))
        )

    def _dispatched(self, step: Step) -> NewEvent:
        data = step.place | {"tool": step.name, "arguments": step.arguments, "effect": step.effect}
        return NewEvent(type=EventType.TOOL_DISPATCHED, data=data, journal=step.entry)

    def _opened(self, step: Step) -> JsonObject | None:
        opened = self._recorded.opened.get(step.path)
        if opened is not None:
            check_same(step, opened)
        return opened

    async def _open(self, step: Step, kind: EventType, data: JsonObject) -> None:
        await self._log.append(
            NewEvent(type=kind, data=step.place | data, journal=data | step.entry)
        )

    async def _close(self, step: Step, kind: EventType, data: JsonObject, value: Any) -> None:
        entry = step.entry | {"value": value}
        await self._log.append(NewEvent(type=kind, data=step.place | data, journal=entry))


def _read(entry: JsonObject, happened: Callable[[Any], T] | None) -> T:
    """The value of a finished step, or of one that a person has told of."""
    if "value" in entry:
        value: T = entry["value"]
        return value
    said: T = entry["result"]
    return said if happened is None else happened(said)


def _own(path: str, kind: str, name: str, arguments: Any = None) -> Step:
    """A step that the journal makes itself; nothing of it reaches the world."""
    return Step(path, kind, name, arguments, "pure")


async def together(*branches: Awaitable[Any]) -> list[Any]:
    """Runs branches side by side; their values in order.

    When one must wait, the others settle first. What one raises goes on, a failure before a wait.
    """
    results: Sequence[Any] = await asyncio.gather(*branches, return_exceptions=True)
    raised = [result for result in results if isinstance(result, BaseException)]
    for error in sorted(raised, key=lambda error: isinstance(error, TaskWaits)):
        raise error
    return list(results)
