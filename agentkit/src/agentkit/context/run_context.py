"""What a tool that takes a `RunContext` may ask of its run: time, chance, waits, children, steps.

Such a tool's body is run again on every replay, up to where it had come: what it asks here is
recorded and answers the same each time, so the body takes the same way. Everything else it does
must be harmless to repeat; an effect that is not belongs into `step`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from random import SystemRandom
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from agentkit.clock import Clock, SystemClock
from agentkit.context.inner_journal import InnerJournal
from agentkit.context.substep import Attempt, inside_step, reported, value_of
from agentkit.context.surroundings import Surroundings
from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.journal import ChildResult, Journal, Step, StepKind, failure_first
from agentkit.limits import Limits, Meter
from agentkit.messages import Effect, Usage
from agentkit.timeout import PausableTimeout
from agentkit.wire import from_json

if TYPE_CHECKING:
    from pydantic import JsonValue

_CHANCE = SystemRandom()


class _Stopped(BaseException):
    """Carries what the journal raised past a tool's `except Exception`."""


class RunContext:
    """The run, as one tool call sees it. A tool gets it by declaring a parameter of this type.

    Paths are given in the order the call asks (`1/tool/1/clock/1`, `…/clock/2`): ask for one thing
    after another, or for several at once with `asyncio.gather`, but not from branches that each go
    through steps of their own, which would come in another order on a replay.

    Used as an async context manager around the call: it lets branches of the call that still ask
    something settle, then raises what the journal raised, whatever the tool made of it.
    """

    def __init__(
        self,
        journal: Journal,
        path: str,
        *,
        clock: Clock | None = None,
        call_id: str = "",
        surroundings: Surroundings | None = None,
    ) -> None:
        self.call_id = call_id
        self.surroundings = surroundings
        self._counted: Usage | None = None
        self._inner_meters: list[Meter] = []
        self._journal = journal
        self._path = path
        self._clock = SystemClock() if clock is None else clock
        self._asked: Counter[StepKind] = Counter()
        self._inner_runs = 0
        self._timeout: PausableTimeout | None = None
        self._stops: list[BaseException] = []
        self._stopped: list[asyncio.Task[object] | None] = []
        self._body: asyncio.Task[object] | None = None
        self._open = 0
        self._idle = asyncio.Event()
        self._over = False

    @property
    def step_number(self) -> int:
        """The step of the run that the call belongs to."""
        return int(self._path.partition("/")[0])

    @property
    def idempotency_key(self) -> str:
        """The key of this call, the same whenever it is repeated: give it to who is called."""
        return self._journal.idempotency_key(self._path)

    async def now(self) -> datetime:
        """The moment at which this was first asked, in UTC."""

        async def read() -> JsonValue:
            return self._clock.now().isoformat()

        return datetime.fromisoformat(cast("str", await self._record("clock", "now", read)))

    async def random(self) -> float:
        """A number from 0 to below 1, drawn when this was first asked."""

        async def draw() -> JsonValue:
            return _CHANCE.random()

        return cast("float", await self._record("random", "random", draw))

    async def sleep(self, seconds: float) -> None:
        """Wait; in a durable run, without holding anything in memory."""
        if not seconds >= 0:
            raise UsageError(f"sleep({seconds}): give a number of seconds from 0 on.")
        await self._wait("timer", "sleep", {"seconds": seconds})

    async def ask(self, question: str) -> str:
        """Ask a person, and wait for the answer."""
        return cast("str", await self._wait("input", "ask", {"question": question}))

    async def start_child(self, goal: str, **options: JsonValue) -> str:
        """Start a task of its own for `goal`, and return its id."""
        step = self._next("child", "start_child", {"goal": goal, **options}, "idempotent")
        async with self._operation():
            return await self._journal.start_child(step)

    async def wait_children(self, ids: Sequence[str], need: int | None = None) -> list[ChildResult]:
        """Wait until `need` of them have ended (all, unless given; 1 is any).

        Returns the results of those that have, in the order of `ids`.
        """
        need = len(ids) if need is None else need
        if not ids or not 1 <= need <= len(ids):
            raise UsageError(f"wait_children: {need} of {len(ids)} children cannot be waited for.")
        arguments: dict[str, JsonValue] = {"tasks": list(ids), "need": need}
        ended = cast("list[JsonValue]", await self._wait("children", "wait_children", arguments))
        return [from_json(ChildResult, child) for child in ended]

    async def step(
        self,
        name: str,
        run: Callable[[], Awaitable[object]],
        *,
        effect: Effect = "unsafe",
        arguments: JsonValue = None,
    ) -> JsonValue:
        """Run an effect of this call once, and return its value as JSON, also on a replay.

        Raises StepFailed when `run` raised (of an unsafe step: when nobody knows whether it took
        effect), and FailedBeforeEffect when `run` raised that. `arguments` are part of what a
        replay compares.
        """
        attempt = Attempt(name, run, effect, self._cut_off)
        kept = await self._record("value", name, attempt, arguments, effect)
        if self._cut_off():
            raise asyncio.CancelledError  # the timeout's, which the attempt turned into a record
        return value_of(kept)

    @property
    def used(self) -> Usage | None:
        """What models have used inside this call so far; None when nothing was counted."""
        if not self._inner_meters:
            return self._counted
        inner = (meter.spent for meter in self._inner_meters)
        return sum(inner, self._counted or Usage.none())

    def tell(self, event: Event) -> None:
        """Tell the listeners of the run; a call that is recorded is not run, and tells nothing."""
        if self.surroundings is not None:
            self.surroundings.tell(event)

    def count(self, usage: Usage) -> None:
        """Count what a model has used that the tool itself asked; runs of agents are counted."""
        self._counted = (self._counted or Usage.none()) + usage

    def inner_meter(self, limits: Limits, clock: Clock) -> Meter:
        """The meter for a run of an agent inside this call, held against the run around, too."""
        around = self.surroundings
        meter = Meter(limits, clock) if around is None else around.meter.inner(limits, clock)
        self._inner_meters.append(meter)
        return meter

    def inner_journal(self) -> Journal:
        """The journal for a run of an agent inside this call: a replay finds its steps again."""
        self._refuse_unless_in_the_call("a run")
        self._inner_runs += 1
        prefix = f"{self._path}/run/{self._inner_runs}"
        return InnerJournal(self._journal, prefix, self._operation, self._paused)

    def ended_by(self, error: BaseException) -> BaseException:
        """What to raise so that `error` ends the run, whatever surrounds it inside the call."""
        self._stops.append(error)
        return _Stopped()

    def timed_by(self, timeout: PausableTimeout) -> None:
        """Pause the timeout of the call while it waits."""
        self._timeout = timeout

    async def _record(
        self,
        kind: StepKind,
        name: str,
        run: Callable[[], Awaitable[JsonValue]],
        arguments: JsonValue = None,
        effect: Effect = "pure",
    ) -> JsonValue:
        step = self._next(kind, name, arguments, effect)
        async with self._operation():
            return await self._journal.record(step, run)

    async def _wait(self, kind: StepKind, name: str, arguments: JsonValue) -> JsonValue:
        step = self._next(kind, name, arguments, "pure")
        with self._paused():
            async with self._operation():
                return await self._journal.wait(step)

    def _paused(self) -> AbstractContextManager[None]:
        return nullcontext() if self._timeout is None else self._timeout.paused()

    def _next(self, kind: StepKind, name: str, arguments: JsonValue, effect: Effect) -> Step:
        self._refuse_unless_in_the_call(name)
        self._asked[kind] += 1
        path = f"{self._path}/{kind}/{self._asked[kind]}"
        in_doubt = reported if kind == "value" and effect != "pure" else None
        return Step(path, kind, name, arguments, effect, in_doubt)

    def _refuse_unless_in_the_call(self, asked: str) -> None:
        if self._over:
            raise UsageError(f"{asked} was asked of the run after the call that it belongs to.")
        if inside_step.get():
            self._stops.append(
                UsageError(
                    f"{asked} was asked inside ctx.step, where a replay would not ask it again."
                )
            )
            raise _Stopped

    @asynccontextmanager
    async def _operation(self, passing: Sequence[BaseException] = ()) -> AsyncIterator[None]:
        """Let what the journal raises out past the tool's own handlers; `passing` is not its word.

        What was stopped, and the body around it, ask nothing more; the other branches of a
        `gather` may, so that the journal sees all that the call waits for.
        """
        branch = asyncio.current_task()
        if branch in self._stopped:
            raise _Stopped
        self._open += 1
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            raise
        # Protects the journal's exception from the tool: it ends the run, whatever kind it is.
        except BaseException as error:
            if any(error is one for one in passing):
                raise
            self._stops.append(error)
            self._stopped += [branch, self._body]
            raise _Stopped from error
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()

    def _cut_off(self) -> bool:
        return self._timeout is not None and self._timeout.expired()

    async def __aenter__(self) -> Self:
        self._body = asyncio.current_task()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            if self._open and not cancelled:
                await self._idle.wait()
        finally:
            self._over = True
        if self._stops and not cancelled:
            raise failure_first(self._stops)
