"""The agent: one loop on one page. Everything else is a port, a policy or a listener."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentkit.boundary import ToolBoundary
from agentkit.clock import Clock, SystemClock
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import (
    Event,
    Finished,
    FinishReason,
    LimitReached,
    ModelReplied,
    ModelStarted,
)
from agentkit.journal import InMemoryJournal, Journal, Step
from agentkit.limits import Limits, Meter
from agentkit.llm import LlmClient, ModelSettings
from agentkit.memory import Memory, Recorder, ShortTermMemory
from agentkit.messages import Message, Reply, Stop, Usage
from agentkit.output import Output, output_spec
from agentkit.planning import Act, Ask, Finish, Planner, ReActPlanner
from agentkit.security import AllowList, SecurityManager
from agentkit.tools import Tool, ToolRegistry
from agentkit.wire import from_json, to_json

if TYPE_CHECKING:
    from pydantic import JsonValue


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

    async def run(self, goal: str) -> RunResult:
        """Run to the end and return what it came to.

        Raises LimitExceeded (with the partial result), ProviderError, ModelMisbehaved, and what
        the journal raises.
        """
        events = [event async for event in self.stream(goal)]
        match events[-1]:
            case Finished(output, steps, usage, reason, structured):
                return RunResult(output, usage, steps, tuple(events), reason, structured)
            case last:
                raise AssertionError(f"a run that does not raise ends with Finished, not {last}")

    async def stream(self, goal: str) -> AsyncGenerator[Event, None]:
        """The loop. Yields events as they happen; the last one is Finished, or it raises."""
        run = _Run(self, goal)
        try:
            while True:
                match self.planner.next(run.transcript, run.stop):
                    case Ask() as ask:
                        step = run.meter.open_step()
                        yield ModelStarted(step, self.llm.model)
                        reply = await run.ask(step, ask)
                        yield ModelReplied(step, reply)
                    case Act(calls):
                        scheduled = run.boundary.schedule(run.meter.steps, calls)
                        for one in scheduled:
                            yield one.started
                        for done in await run.boundary.perform(scheduled):
                            run.transcript.append(done.observation)
                            yield done
                    case Finish(output, reason):
                        yield run.finished(output, reason)
                        return
        except LimitExceeded as exceeded:
            yield LimitReached(run.meter.steps, exceeded.limit, exceeded.detail)
            raise


class _Run:
    """The state of one run of an agent."""

    def __init__(self, agent: Agent, goal: str) -> None:
        if not goal.strip():
            raise UsageError("The goal is empty: say what the agent should do.")
        self._agent = agent
        self._journal = InMemoryJournal() if agent.journal is None else agent.journal
        self.transcript: list[Message] = [
            *agent.planner.open(agent.profile.instructions, goal, agent.tools.specs)
        ]
        self.stop: Stop | None = None
        self._structured: Any = None
        self.meter = Meter(agent.limits, agent.clock)
        self.boundary = ToolBoundary(
            agent.tools,
            agent.security,
            self._journal,
            agent=agent.profile.name,
            goal=goal,
            deadline=self.meter.deadline,
            clock=agent.clock,
        )

    async def ask(self, step: int, ask: Ask) -> Reply:
        """One model call, through the journal; its reply joins the transcript."""
        agent = self._agent
        tools = agent.tools.specs if ask.offer_tools else ()
        output = agent.output if ask.output is None else ask.output
        messages = await agent.memory.window(ask.messages, self._recorder(step))

        async def run() -> JsonValue:
            # The limit on seconds may cut the call, never a journal that is writing its record.
            async with self.meter.deadline():
                return to_json(
                    await agent.llm.complete(messages, tools, output, agent.profile.settings)
                )

        # A model call is pure but paid: run again only when it is not recorded. Its arguments stay
        # out of the hash, so that a re-rendered prompt does not break a running task.
        recorded = await self._journal.record(
            Step(f"{step}/llm", "llm", agent.llm.model, None, "pure"), run
        )
        reply = from_json(Reply, recorded)
        self.meter.count(reply)
        self.transcript.append(reply.message)
        self.stop = reply.stop
        self._structured = reply.structured
        return reply

    def finished(self, output: str, reason: FinishReason) -> Finished:
        """The event that ends the run."""
        structured = self._structured if reason == "answered" else None
        return Finished(output, self.meter.steps, self.meter.usage, reason, structured)

    def _recorder(self, step: int) -> Recorder:
        async def record(name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
            return await self._journal.record(
                Step(f"{step}/memory/{name}", "memory", name, None, "pure"), run
            )

        return record
