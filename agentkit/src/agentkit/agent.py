"""The agent: one loop on one page. Everything else is a port, a policy or a listener."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from agentkit.boundary import Scheduled, ToolBoundary
from agentkit.clock import Clock, SystemClock
from agentkit.context import RunContext, Surroundings
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import (
    Event,
    Finished,
    FinishReason,
    LimitReached,
    ModelReplied,
    ModelStarted,
    PlanMade,
    PromptBuilt,
)
from agentkit.feed import Feed
from agentkit.journal import InMemoryJournal, Journal, Step
from agentkit.limits import Limits, Meter
from agentkit.llm import LlmClient, ModelRequest, ModelSettings
from agentkit.memory import Memory, ShortTermMemory, StepRecorder
from agentkit.messages import Message, Reply, Stop, ToolSpec, Usage, clean
from agentkit.model_call import ModelCall
from agentkit.output import Output, output_spec
from agentkit.planning import Act, Ask, Finish, Planner, ReActPlanner, SimplePlanner
from agentkit.security import AllowList, SecurityManager, Within
from agentkit.tokens import tokens_of
from agentkit.tools import Tool, ToolRegistry
from agentkit.wire import from_json

if TYPE_CHECKING:
    pass


Wanted: TypeAlias = bool | Callable[[], bool]
"""Whether a listener wants deltas; a function where that may change while the agent runs."""


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """Who an agent is: its name, its instructions, and how its model is asked."""

    name: str = "agent"
    instructions: str = "You are a careful assistant."
    settings: ModelSettings = field(default_factory=ModelSettings)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. `output` is an answer only when `reason` is `answered`.

    `structured` is that answer as JSON when the agent was made with an `output`.
    """

    output: str
    usage: Usage
    steps: int
    events: tuple[Event, ...]
    reason: FinishReason
    structured: Any = None


class Agent:
    """A model with tools, and the rules it works under.

    No call is allowed unless `security` allows it. An agent may serve many runs at once; a
    `journal` serves one run, so give one only to an agent made for that run.
    """

    def __init__(  # noqa: PLR0913  each is a port with a default
        self,
        llm: LlmClient,
        *,
        tools: Iterable[Tool] = (),
        profile: AgentProfile | None = None,
        planner: Planner | None = None,
        memory: Memory | None = None,
        security: SecurityManager | None = None,
        limits: Limits | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
        output: Output | None = None,
    ) -> None:
        self.llm = llm
        self.tools = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
        # Not `or`: a port of somebody else's may have a length of 0.
        self.profile = AgentProfile() if profile is None else profile
        self.planner = ReActPlanner() if planner is None else planner
        self.memory = ShortTermMemory() if memory is None else memory
        self.security = AllowList() if security is None else security
        self.limits = Limits() if limits is None else limits
        self.journal = journal
        self.clock = SystemClock() if clock is None else clock
        self.output = None if output is None else output_spec(output)
        # Not of its subclasses, which may offer them.
        if type(self.planner) is SimplePlanner and self.tools.specs:
            raise UsageError(
                f"SimplePlanner offers no tools, and {self.tools.specs[0].name} was given: leave the "
                "tools out, or use ReActPlanner or PlanExecutePlanner."
            )

    async def run(self, goal: str, *, inside: RunContext | None = None) -> RunResult:
        """Run to the end and return what it came to; `inside` as for `stream`.

        Raises LimitExceeded (with the partial result), ProviderError, ModelMisbehaved, and what
        the journal raises.
        """
        events = [event async for event in self.stream(goal, inside=inside, live=False)]
        match events[-1]:
            case Finished(output, steps, usage, reason, structured):
                return RunResult(output, usage, steps, tuple(events), reason, structured)
            case last:
                raise AssertionError(f"a run that does not raise ends with Finished, not {last}")

    async def stream(
        self,
        goal: str,
        *,
        deltas: Wanted = False,
        inside: RunContext | None = None,
        live: Wanted = True,
    ) -> AsyncGenerator[Event, None]:
        """The loop. Yields events as they happen; the last one is Finished, or it raises.

        `deltas` asks for the pieces of each reply, too. `inside` is the tool call that this run is part
        of: it keeps its steps and holds it to its limits. Without `live`, what is told of a step comes
        when it is over. Functions are asked before each model call; calls of tools are live then.
        """
        run = _Run(self, goal, deltas, inside, live)
        try:
            while True:
                move = self.planner.next(run.transcript, run.stop, self.tools.specs)
                match move:
                    case Ask() as ask:
                        step = run.meter.open_step()
                        yield ModelStarted(step, self.llm.model)
                        work, is_live = run.ask(step, ask), run.is_heard_live()
                    case Act() as act:
                        scheduled = run.boundary.schedule(run.meter.steps, act.calls)
                        for event in run.announced(act, scheduled):
                            yield event
                        work, is_live = run.act(scheduled), bool(live)
                    case Finish() as end:
                        yield run.finished(end)
                        return
                    case _:
                        assert_never(move)
                async with aclosing(run.feed.during(work, live=is_live)) as events:
                    async for event in events:
                        yield event
        except LimitExceeded as exceeded:
            yield LimitReached(run.meter.steps, exceeded.limit, exceeded.detail)
            raise


class _Run:
    """The state of one run of an agent."""

    __slots__ = (
        "_agent",
        "_deltas",
        "_journal",
        "_structured",
        "boundary",
        "feed",
        "is_heard_live",
        "meter",
        "stop",
        "transcript",
    )

    def __init__(
        self, agent: Agent, goal: str, deltas: Wanted, inside: RunContext | None, live: Wanted
    ) -> None:
        goal = clean(goal)
        if not goal.strip():
            raise UsageError("The goal is empty: say what the agent should do.")
        around = None if inside is None else inside.surroundings
        self._agent = agent
        self._deltas = _asked(deltas)
        self.is_heard_live = _asked(live)
        self._journal = _journal(agent, inside)
        self._structured: Any = None
        self.transcript: list[Message] = [
            *agent.planner.open(agent.profile.instructions, goal, agent.tools.specs)
        ]
        self.stop: Stop | None = None
        self.feed = Feed()
        make_meter = Meter if inside is None else inside.inner_meter
        self.meter = make_meter(agent.limits, agent.clock)
        # What an agent may do that is called as a tool, the one that calls it may do, too.
        security = agent.security if around is None else Within(agent.security, around.check)
        self.boundary = ToolBoundary(
            agent.tools,
            security,
            self._journal,
            agent=agent.profile.name,
            goal=goal,
            clock=agent.clock,
            surroundings=Surroundings(
                depth=0 if around is None else around.depth + 1,
                deltas=self._deltas,
                meter=self.meter,
                tell=self.feed.tell,
                check=security.check,
                labels=frozenset() if around is None else around.labels,
            ),
        )

    async def ask(self, step: int, ask: Ask) -> None:
        """One model call, through the journal; its reply joins the transcript."""
        call = await self._call(step, ask)
        # A model call is pure but paid: run again only when it is not recorded. Its arguments stay
        # out of the hash, so that a re-rendered prompt does not break a running task.
        model = self._agent.llm.model
        recorded = await self._journal.record(
            Step(f"{step}/llm", "llm", model, None, "pure", may_use=call.may_use), call
        )
        reply = from_json(Reply, recorded)
        self.meter.count(reply)
        self.transcript.append(reply.message)
        self.stop = reply.stop
        self._structured = reply.structured
        self.feed.tell(ModelReplied(step, reply))

    def announced(self, act: Act, scheduled: Sequence[Scheduled]) -> Iterator[Event]:
        """The events before the calls are made."""
        if act.plan is not None:
            yield PlanMade(self.meter.steps, act.plan)
        for one in scheduled:
            yield one.started

    async def act(self, scheduled: Sequence[Scheduled]) -> None:
        """Make the calls; their observations join the transcript in the order of the program."""
        finished = await self.boundary.perform(scheduled)
        self.meter.settle(done.usage for done in finished)
        for done in finished:
            self.transcript.append(done.observation)
            self.feed.tell(done)

    def finished(self, end: Finish) -> Finished:
        """The event that ends the run."""
        structured = self._structured if end.reason == "answered" else None
        return Finished(end.output, self.meter.steps, self.meter.usage, end.reason, structured)

    async def _call(self, step: int, ask: Ask) -> ModelCall:
        """The call, with what the memory keeps of the run to be shown."""
        agent = self._agent
        tools = agent.tools.specs if ask.offer_tools else ()
        output = agent.output if ask.output is None else ask.output
        recorder = StepRecorder(self._journal, self.meter, step, self.feed.tell)
        messages = await agent.memory.window(ask.messages, recorder)
        self.feed.tell(_built(step, messages, tools))
        self.boundary.shown(messages)
        request = ModelRequest(messages, tools, output, agent.profile.settings)
        return ModelCall(
            agent.llm,
            request,
            ask,
            step=step,
            meter=self.meter,
            deltas=self._deltas,
            feed=self.feed,
        )


def _asked(deltas: Wanted) -> Callable[[], bool]:
    return deltas if callable(deltas) else lambda: bool(deltas)


def _journal(agent: Agent, inside: RunContext | None) -> Journal:
    if inside is None:
        return InMemoryJournal() if agent.journal is None else agent.journal
    if agent.journal is not None:
        raise UsageError(
            f"Agent {agent.profile.name} is called as a tool, so it keeps its steps in the journal "
            "of the run around it: give it no journal of its own."
        )
    return inside.inner_journal()


def _built(step: int, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> PromptBuilt:
    return PromptBuilt(step, len(messages), tokens_of(messages), tuple(tool.name for tool in tools))
