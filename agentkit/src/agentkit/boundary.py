"""The tool boundary: a model's wish becomes an observation, whatever happens on the way.

Nothing a model or a tool does wrong raises here. An unknown tool, bad arguments, a denied call, a
tool that fails or takes too long: the model reads about it and may go on. An unsafe call that may
have taken effect all the same is the journal's to settle (UnknownOutcome). What does raise is the
journal (a replay that does not match, a run that must stop) and a cancelled run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, assert_never

from agentkit.clock import Clock
from agentkit.context import RunContext, Surroundings
from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import ToolFinished, ToolStarted
from agentkit.journal import IN_DOUBT, Journal, Step, UnknownOutcome, failure_first
from agentkit.messages import Effect, Label, Message, ToolCall, ToolMessage, Usage, labels_of
from agentkit.quote import quote
from agentkit.security import CallContext, SecurityManager
from agentkit.tools import (
    InDoubt,
    InvalidArguments,
    Tool,
    ToolRegistry,
    failed,
    observation,
    observe,
)
from agentkit.wire import from_json, to_json

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal records of a call: the observation, and who decided about it.

    `usage` is what models have used inside the call, so that a replay adds up to the same.
    """

    observation: ToolMessage
    decision: Decision
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A tool with the arguments it would be called with."""

    tool: Tool
    keywords: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A call with its place in the program; `ready` is a denial when it cannot reach its tool."""

    step: int
    path: str
    call: ToolCall
    ready: Ready | Deny

    @property
    def effect(self) -> Effect:
        """What a repetition would do; a call that cannot reach its tool has no effect."""
        return self.ready.tool.effect if isinstance(self.ready, Ready) else "pure"

    @property
    def started(self) -> ToolStarted:
        """The event that announces the call."""
        return ToolStarted(self.step, self.call, self.effect)


class ToolBoundary:
    """Schedules and makes the calls of one run."""

    __slots__ = (
        "_agent",
        "_clock",
        "_goal",
        "_journal",
        "_scheduled",
        "_security",
        "_step",
        "_surroundings",
        "_tools",
    )

    def __init__(
        self,
        tools: ToolRegistry,
        security: SecurityManager,
        journal: Journal,
        *,
        agent: str,
        goal: str,
        clock: Clock,
        surroundings: Surroundings,
    ) -> None:
        self._tools = tools
        self._security = security
        self._journal = journal
        self._agent = agent
        self._goal = goal
        self._clock = clock
        self._surroundings = surroundings
        self._step = self._scheduled = 0

    def shown(self, messages: Sequence[Message]) -> None:
        """Know what the model is shown: whatever it says from now on may come from there."""
        self._surroundings.labels = _together(self._surroundings.labels, labels_of(messages))

    def schedule(self, step: int, calls: Sequence[ToolCall]) -> tuple[Scheduled, ...]:
        """Give each call its path, in program order, and check that it could be made.

        Raises LimitExceeded when one is one too many: then none of them is made.
        """
        if step != self._step:
            self._step, self._scheduled = step, 0
        first = self._scheduled + 1  # a plan makes calls several times in one step
        self._scheduled += len(calls)
        scheduled = tuple(
            Scheduled(step, f"{step}/tool/{order}", call, self._ready(call))
            for order, call in enumerate(calls, start=first)
        )
        made = (one.call.tool for one in scheduled if isinstance(one.ready, Ready))
        self._surroundings.meter.count_calls(made)
        return scheduled

    async def perform(self, scheduled: Sequence[Scheduled]) -> list[ToolFinished]:
        """Make the calls at the same time; what comes back is in program order.

        When the journal stops one of them, the others settle before the exception goes on: a call
        under way is not torn down because its neighbour must wait. A failure goes before a wait.
        """
        if len(scheduled) == 1:
            # In the task of the run: one of its own would take the loop two turns.
            finished = [await self._perform(scheduled[0])]
            self.shown([done.observation for done in finished])
            return finished
        results = await asyncio.gather(*map(self._perform, scheduled), return_exceptions=True)
        raised = [result for result in results if isinstance(result, BaseException)]
        if raised:
            raise failure_first(raised)
        finished = [result for result in results if isinstance(result, ToolFinished)]
        # A plan hands observations on to other calls without the model being shown them.
        self.shown([done.observation for done in finished])
        return finished

    def _ready(self, call: ToolCall) -> Ready | Deny:
        tool = self._tools.get(call.tool)
        if tool is None:
            known = ", ".join(tool.name for tool in self._tools) or "none"
            return Deny("unknown_tool", f"there is no tool {call.tool!r}; tools: {known}")
        if call.malformed is not None:
            wrote = quote(call.malformed)
            return Deny("invalid_arguments", f"the arguments are not a JSON object: {wrote}")
        try:
            return Ready(tool, tool.parse(call.arguments))
        except InvalidArguments as error:
            return Deny("invalid_arguments", f"wrong arguments: {error}")

    async def _perform(self, scheduled: Scheduled) -> ToolFinished:
        call, ready = scheduled.call, scheduled.ready
        # A call that will not be made is recorded as pure: nothing about it can be in doubt.
        if isinstance(ready, Deny):
            return await self._record(scheduled, "pure", ready, partial(_refused, call, ready))
        decision = await self._decision(scheduled, ready)
        if isinstance(decision, NeedApproval):
            scheduled, decision = await self._approval(scheduled, ready, decision)
        match decision:
            case Allow():
                act = partial(self._act, scheduled, decision)
                return await self._record(scheduled, scheduled.effect, decision, act)
            case Deny():
                return await self._record(
                    scheduled, "pure", decision, partial(_refused, scheduled.call, decision)
                )
            case _:
                assert_never(decision)

    async def _decision(self, scheduled: Scheduled, ready: Ready) -> Decision:
        """What the security manager says; where it allows, the tool may still want a person."""
        call, labels = scheduled.call, self._surroundings.labels
        decision = await self._security.check(call, self._context(scheduled, ready, labels))
        if isinstance(decision, Allow) and ready.tool.asks(ready.keywords):
            return NeedApproval(
                "needs_approval", f"May {call.tool} be called with these arguments?"
            )
        return decision

    def _context(self, scheduled: Scheduled, ready: Ready, labels: frozenset[Label]) -> CallContext:
        return CallContext(
            self._agent,
            self._goal,
            scheduled.path,
            scheduled.effect,
            ready.tool.given(ready.keywords),
            labels,
        )

    async def _approval(
        self, scheduled: Scheduled, ready: Ready, asked: NeedApproval
    ) -> tuple[Scheduled, Allow | Deny]:
        """What a person decides about the call, and the call as they let it be made.

        The journal may let the run end until they have decided.
        """
        call = scheduled.call
        question: JsonValue = {
            "question": asked.question,
            "tool": call.tool,
            "arguments": ready.tool.given(ready.keywords),  # what it gets, not what was written
        }
        path = f"{scheduled.path}/approval/1"
        step = Step(
            path,
            "approval",
            call.tool,
            question,
            "pure",
            about={"sources": _sources(self._surroundings.labels)},
            expires_in_s=ready.tool.approve_within_s,
        )
        match await self._journal.wait(step):
            case {"decision": "approve", "arguments": dict() as given}:
                return await self._edited(scheduled, given, asked)
            case {"decision": "approve"}:
                return scheduled, Allow(asked.rule)
            case {"decision": str(), **rest}:
                comment = f": {rest['comment']}" if rest.get("comment") else ""
            case other:
                raise UsageError(
                    f"The answer about {call.tool} is {other!r}, which is no decision: give "
                    '{"decision": "approve"} or {"decision": "reject", "comment": …}.'
                )
        why = f"a person did not approve it ({asked.question}){comment}"
        return scheduled, Deny(asked.rule, why)

    async def _edited(
        self, scheduled: Scheduled, arguments: dict[str, Any], asked: NeedApproval
    ) -> tuple[Scheduled, Allow | Deny]:
        """The call with what a person gave: their leave, but for what is denied to everybody."""
        call = replace(scheduled.call, arguments=arguments)
        ready = self._ready(call)
        edited = replace(scheduled, call=call, ready=ready)
        if isinstance(ready, Deny):
            return edited, replace(ready, reason=f"of a person's own: {ready.reason}")
        decision = await self._security.check(call, self._context(edited, ready, frozenset()))
        return edited, decision if isinstance(decision, Deny) else Allow(asked.rule)

    async def _act(self, scheduled: Scheduled, decision: Decision) -> Outcome:
        """Make the call, within the time of the run. Raises InDoubt, of an unsafe tool only."""
        call, ready, began = scheduled.call, scheduled.ready, False
        assert isinstance(ready, Ready), "what cannot reach its tool is denied"
        try:
            async with self._surroundings.meter.deadline():
                began = True
                async with RunContext(
                    self._journal,
                    scheduled.path,
                    clock=self._clock,
                    call_id=call.id,
                    surroundings=self._surroundings,
                ) as context:
                    seen = await observe(ready.tool, call, ready.keywords, context)
                return Outcome(seen, decision, context.used)
        except LimitExceeded as error:
            # The doubt is settled first; the next step finds that the time is over.
            if began and scheduled.effect == "unsafe":
                raise InDoubt(f"{call.tool} was cut off: {error.detail}") from error
            raise

    async def _record(
        self,
        scheduled: Scheduled,
        effect: Effect,
        decision: Decision,
        act: Callable[[], Awaitable[Outcome]],
    ) -> ToolFinished:
        call = scheduled.call

        def reported(text: str, is_error: bool) -> JsonValue:
            return to_json(Outcome(observation(call, text, is_error=is_error), decision))

        async def run() -> JsonValue:
            try:
                return to_json(await act())
            except InDoubt as doubt:
                raise UnknownOutcome(str(doubt), reported(f"{doubt}. {IN_DOUBT}", True)) from doubt

        arguments: JsonValue = call.arguments if call.malformed is None else call.malformed
        step = Step(scheduled.path, "tool", call.tool, arguments, effect, reported)
        came = from_json(Outcome, await self._journal.record(step, run))
        return ToolFinished(scheduled.step, call, came.observation, came.decision, came.usage)


@lru_cache(maxsize=1024)
def _together(some: frozenset[Label], more: frozenset[Label]) -> frozenset[Label]:
    """All of them. Runs are shown things from the same few places, and share what is said of that."""
    return some | more


def _sources(labels: Iterable[Label]) -> JsonValue:
    """Where what the model was shown comes from: what it wrote may, too."""
    told = sorted((label.source, label.name, label.trusted) for label in labels)
    return [{"source": source, "name": name, "trusted": trusted} for source, name, trusted in told]


async def _refused(call: ToolCall, decision: Deny) -> Outcome:
    return Outcome(failed(call, f"Not called: {decision.reason}."), decision)
