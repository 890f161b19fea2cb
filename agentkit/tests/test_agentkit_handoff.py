"""An agent as a tool of another: one journal, one bill, and no way around a policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from agentkit import (
    Agent,
    AgentProfile,
    AllowList,
    InMemoryJournal,
    Limits,
    RunContext,
    RunResult,
    Step,
    Tool,
    handoff,
    tool,
)
from agentkit.errors import AuthenticationFailed, LimitExceeded, UsageError
from agentkit.events import Event, Finished, HandedOver, ToolFinished
from agentkit.llm import ModelRequest
from agentkit.messages import Delta, Reply, TextDelta, ToolMessage, Usage
from agentkit.security import NeedApproval
from agentkit.testing import FrozenClock, RecordingTool, ScriptedLlm, answer, call
from agentkit.tools.builtin import ask_user

PAID = Usage(10, 5, Decimal("0.001"))
LOOK = call(("look", {"text": "Ada"}), usage=PAID)
FOUND = answer("A mathematician.", PAID)
ASK = call(("scout", {"goal": "Who is Ada?"}), usage=PAID)
DONE = answer("Done.", PAID)

TIMEOUT_S = 0.1


def scout(*script: Any, tools: list[Tool] | None = None, **options: Any) -> Agent:
    """The agent that is called: by default it may look."""
    options.setdefault("security", AllowList(["look"]))
    options.setdefault("llm", ScriptedLlm(script))
    tools = [RecordingTool("look", "x", "pure").tool] if tools is None else tools
    return Agent(tools=tools, profile=AgentProfile("scout", "You look."), **options)


def boss(*script: Any, inner: Agent, **options: Any) -> Agent:
    """The agent that calls it: it allows what the scout may do, too."""
    options.setdefault("security", AllowList(["scout", "look"]))
    return Agent(
        ScriptedLlm(script),
        tools=[handoff(inner, "Finds things out.")],
        profile=AgentProfile("boss"),
        **options,
    )


def observation(result: RunResult) -> ToolMessage:
    return next(e.observation for e in result.events if isinstance(e, ToolFinished))


def inner_events(events: list[Event] | tuple[Event, ...]) -> list[Event]:
    return [event.event for event in events if isinstance(event, HandedOver)]


def test_the_tool_is_described_to_the_model() -> None:
    """Its name is the agent's unless given; it takes a goal."""
    inner = scout()
    spec = handoff(inner, "Finds things out.").spec
    assert ("scout", "Finds things out.") == (spec.name, spec.description)
    assert ["goal"] == spec.parameters["required"]
    assert "finder" == handoff(inner, "Finds things out.", name="finder").name


async def test_an_agent_answers_another() -> None:
    """It is given the goal and nothing else; its answer is the observation."""
    llm = ScriptedLlm([LOOK, FOUND])
    result = await boss(ASK, DONE, inner=scout(llm=llm)).run("Tell me of Ada.")
    assert ("Done.", "A mathematician.") == (result.output, observation(result).text)
    assert "Who is Ada?" == llm.requests[0].messages[-1].text
    assert "Tell me of Ada." not in str(llm.requests)


async def test_its_steps_are_in_the_same_journal() -> None:
    """Under the path of the call, so that a run has one record of everything."""
    journal = InMemoryJournal()
    await boss(ASK, DONE, inner=scout(LOOK, FOUND), journal=journal).run("goal")
    assert [
        "1/llm",
        "1/tool/1/run/1/1/llm",
        "1/tool/1/run/1/1/tool/1",
        "1/tool/1/run/1/2/llm",
        "1/tool/1",
        "2/llm",
    ] == [record.path for record in journal.records]


async def test_its_events_say_whose_they_are() -> None:
    """Each of them, between the start and the end of the call."""
    result = await boss(ASK, DONE, inner=scout(LOOK, FOUND)).run("goal")
    handed = [event for event in result.events if isinstance(event, HandedOver)]
    assert {(1, "call_1", "scout")} == {(e.step, e.call_id, e.agent) for e in handed}
    assert Finished("A mathematician.", 2, PAID + PAID, "answered") == handed[-1].event
    kinds = [event.kind for event in result.events]
    assert kinds.index("tool_started") < kinds.index("handed_over") < kinds.index("tool_finished")


async def test_what_it_uses_is_on_the_same_bill() -> None:
    """The call says what it used, and the run adds it up."""
    result = await boss(ASK, DONE, inner=scout(LOOK, FOUND)).run("goal")
    finished = next(e for e in result.events if isinstance(e, ToolFinished))
    assert (PAID + PAID, 2) == (finished.usage, result.steps)
    assert PAID + PAID + PAID + PAID == result.usage


async def test_a_replay_runs_nothing_again_and_has_the_same_bill() -> None:
    """A recorded call is not run, so the inner story is not told; its usage is in the record."""
    journal = InMemoryJournal()
    first = await boss(ASK, DONE, inner=scout(LOOK, FOUND), journal=journal).run("goal")
    replay = boss(inner=scout(), journal=InMemoryJournal(journal.records))
    again = await replay.run("goal")
    assert (first.output, first.usage) == (again.output, again.usage)
    assert tuple(e for e in first.events if not isinstance(e, HandedOver)) == again.events


async def test_an_inner_run_goes_on_where_it_was_lost() -> None:
    """What it had done is not done again; what it used before counts all the same."""
    journal, look = InMemoryJournal(), RecordingTool("look", "x", "pure")
    first = boss(ASK, DONE, inner=scout(LOOK, FOUND, tools=[look.tool]), journal=journal)
    result = await first.run("goal")
    llm = ScriptedLlm([FOUND])
    inner = scout(llm=llm, tools=[look.tool])
    again = boss(DONE, inner=inner, journal=InMemoryJournal(journal.records[:3]))
    assert result.usage == (await again.run("goal")).usage
    assert (["Ada"], 1) == (look.calls, len(llm.requests))


async def test_deltas_come_from_within() -> None:
    """A listener that wants deltas gets those of the agents that are called, too."""
    stream = boss(ASK, DONE, inner=scout(FOUND)).stream("goal", deltas=True)
    events = [event async for event in stream]
    assert "model_delta" in [event.kind for event in inner_events(events)]


class Writing(ScriptedLlm):
    """Writes one word, then waits for ever; `closed` is set when its stream is closed."""

    def __init__(self) -> None:
        super().__init__([])
        self.closed = asyncio.Event()

    async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[Delta | Reply, None]:
        try:
            yield TextDelta("Well")
            await asyncio.Event().wait()
        finally:
            self.closed.set()


async def test_a_listener_that_leaves_closes_the_stream_within() -> None:
    """However deep the model is that is writing."""
    llm = Writing()
    async with aclosing(boss(ASK, inner=scout(llm=llm)).stream("goal", deltas=True)) as events:
        async for event in events:
            if isinstance(event, HandedOver) and event.event.kind == "model_delta":
                break
    assert llm.closed.is_set()


@pytest.mark.parametrize(
    ("outer", "inner", "made", "rule"),
    [
        (["scout", "look"], ["look"], ["Ada"], "allow_list"),
        (["scout"], ["look"], [], "allow_list"),
        (["scout", "look"], [], [], "allow_list"),
    ],
)
async def test_a_call_must_be_allowed_by_both(
    outer: list[str], inner: list[str], made: list[str], rule: str
) -> None:
    """Handing work over is no way around a policy, and not a gift of rights either."""
    look = RecordingTool("look", "x", "pure")
    called = scout(LOOK, FOUND, tools=[look.tool], security=AllowList(inner))
    result = await boss(ASK, DONE, inner=called, security=AllowList(outer)).run("goal")
    finished = next(e for e in inner_events(result.events) if isinstance(e, ToolFinished))
    assert (made, rule) == (look.calls, finished.decision.rule)


@pytest.mark.parametrize(("outer", "inner"), [(["look"], []), ([], ["look"]), (["look"], ["look"])])
async def test_a_person_is_asked_when_either_says_so(outer: list[str], inner: list[str]) -> None:
    """Once, also when both do."""
    asked = list[Step]()

    async def approve(step: Step) -> Any:
        asked.append(step)
        return {"decision": "approve", "comment": None}

    names = ["scout", "look"]
    look = RecordingTool("look", "x", "pure")
    called = scout(LOOK, FOUND, tools=[look.tool], security=AllowList(names, approve=inner))
    policy = AllowList(names, approve=outer)
    journal = InMemoryJournal(answer=approve)
    await boss(ASK, DONE, inner=called, security=policy, journal=journal).run("goal")
    assert ["1/tool/1/run/1/1/tool/1/approval/1"] == [step.path for step in asked]
    assert ["Ada"] == look.calls


async def test_managers_are_told_which_agent_calls() -> None:
    """So that a manager above may decide by the agent."""
    agents = list[tuple[str, str]]()

    class Watching(AllowList):
        async def check(self, call: Any, context: Any) -> Any:
            agents.append((call.tool, context.agent))
            return await super().check(call, context)

    policy = Watching(["scout", "look"])
    await boss(ASK, DONE, inner=scout(LOOK, FOUND), security=policy).run("goal")
    assert [("scout", "boss"), ("look", "scout")] == agents


async def test_its_own_limit_is_an_observation() -> None:
    """The calling model reads what was reached, and goes on."""
    thinking = call(("look", {"text": "Ada"}), thought="Nearly.", usage=PAID)
    called = scout(thinking, limits=Limits(steps=1))
    result = await boss(ASK, DONE, inner=called).run("goal")
    seen = observation(result)
    assert (True, "Done.") == (seen.is_error, result.output)
    assert "limit on steps: 1 steps made, 1 allowed. So far: Nearly." in seen.text
    assert PAID + PAID + PAID == result.usage


@pytest.mark.parametrize(
    ("limits", "limit"), [(Limits(tokens=30), "tokens"), (Limits(cost_usd=0.002), "cost")]
)
async def test_the_limits_around_hold_it_while_it_runs(limits: Limits, limit: str) -> None:
    """Before its next step, not when it comes back; then both runs are over."""
    llm = ScriptedLlm([LOOK, LOOK, FOUND])
    events = list[Event]()

    async def listen() -> None:
        async for event in boss(ASK, DONE, inner=scout(llm=llm), limits=limits).stream("goal"):
            events.append(event)

    with pytest.raises(LimitExceeded) as caught:
        await listen()
    assert (limit, 1) == (caught.value.limit, len(llm.requests))
    assert PAID + PAID == caught.value.usage
    assert "limit_reached" == events[-1].kind


async def test_two_at_once_share_what_is_left() -> None:
    """What one of them uses, the other one has not."""
    both = call(("scout", {"goal": "one"}), ("scout", {"goal": "two"}), usage=PAID)
    llm = ScriptedLlm([LOOK, LOOK, LOOK, LOOK])
    called = boss(both, inner=scout(llm=llm), limits=Limits(tokens=40))
    with pytest.raises(LimitExceeded, match="tokens"):
        await called.run("goal")
    assert 2 == len(llm.requests)


async def test_the_seconds_around_cut_it() -> None:
    """It is cancelled where it is."""
    llm = ScriptedLlm([FOUND], gate=asyncio.Event())
    with pytest.raises(LimitExceeded, match="seconds"):
        await boss(ASK, inner=scout(llm=llm), limits=Limits(seconds=0.05)).run("goal")
    assert 1 == len(llm.requests)


async def test_time_that_passed_inside_counts_around() -> None:
    """The outer run does not ask for more when its time is over."""
    clock = FrozenClock()

    def slowly(_: ModelRequest) -> Reply:
        clock.advance(11)
        return FOUND

    called = boss(ASK, DONE, inner=scout(slowly), limits=Limits(seconds=10), clock=clock)
    with pytest.raises(LimitExceeded, match="seconds"):
        await called.run("goal")


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ([Reply(FOUND.message, PAID, "refused", "m")], "without an answer (refused)"),
        ([LOOK, LOOK, LOOK], "without an answer (repeated_call)"),
    ],
)
async def test_an_end_without_an_answer_is_an_error(script: list[Reply], seen: str) -> None:
    """The calling model is told why there is none, and what it cost is counted."""
    result = await boss(ASK, DONE, inner=scout(*script)).run("goal")
    assert observation(result).is_error
    assert seen in observation(result).text
    assert (len(script) + 2) * PAID.total_tokens == result.usage.total_tokens


async def test_a_provider_that_fails_ends_both_runs() -> None:
    """The outer model is not left to make something up for a wrong key."""
    error = AuthenticationFailed("check the key")
    with pytest.raises(AuthenticationFailed) as caught:
        await boss(ASK, inner=scout(error)).run("goal")
    assert error is caught.value


class Suspended(BaseException):
    """Of a journal whose run must wait."""


class Waiting(InMemoryJournal):
    """Lets a run end where it must wait, until `answers` has what it waits for."""

    answers: dict[str, str]

    async def wait(self, step: Step) -> Any:
        if step.path not in self.answers:
            raise Suspended

        async def answered() -> Any:
            return self.answers[step.path]

        return await self.record(step, answered)


async def test_a_wait_inside_ends_the_run_and_a_replay_goes_on() -> None:
    """As a durable journal does it: the person's answer finds its way into the inner run."""
    question = call(("ask_user", {"question": "Which Ada?"}), usage=PAID)

    def asking(*script: Any) -> Agent:
        policy = AllowList(["ask_user"])
        return scout(*script, tools=[ask_user], security=policy)

    policy = AllowList(["scout", "ask_user"])
    journal = Waiting()
    journal.answers = {}
    with pytest.raises(Suspended):
        await boss(ASK, inner=asking(question), security=policy, journal=journal).run("goal")
    replay = Waiting(journal.records)
    replay.answers = {"1/tool/1/run/1/1/tool/1/input/1": "The countess."}
    inner = asking(FOUND)
    result = await boss(DONE, inner=inner, security=policy, journal=replay).run("goal")
    assert ("Done.", 4 * 15) == (result.output, result.usage.total_tokens)


async def test_what_is_cut_by_the_timeout_is_paid_for() -> None:
    """What the agent had used until then is on the bill."""
    gate = asyncio.Event()
    gate.set()

    def then_stall(_: ModelRequest) -> Reply:
        gate.clear()
        return LOOK

    stalls = ScriptedLlm([then_stall, FOUND], gate=gate)
    outer = Agent(
        ScriptedLlm([ASK, DONE]),
        tools=[handoff(scout(llm=stalls), "Finds things out.", timeout_s=TIMEOUT_S)],
        security=AllowList(["scout", "look"]),
    )
    result = await outer.run("goal")
    assert "scout took longer than 0.1 s." == observation(result).text
    assert PAID + PAID + PAID == result.usage


async def test_waiting_inside_takes_nothing_from_the_timeout() -> None:
    """A person may take their time, however short the time of the tool around."""
    question = call(("ask_user", {"question": "Which Ada?"}), usage=PAID)

    async def slowly(_: Step) -> Any:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * TIMEOUT_S, passed.set)
        await passed.wait()
        return "The countess."

    names = ["scout", "ask_user"]
    inner = scout(question, FOUND, tools=[ask_user], security=AllowList(names))
    outer = Agent(
        ScriptedLlm([ASK, DONE]),
        tools=[handoff(inner, "Finds things out.", timeout_s=TIMEOUT_S)],
        security=AllowList(names),
        journal=InMemoryJournal(answer=slowly),
    )
    assert not observation(await outer.run("goal")).is_error


async def test_what_the_journal_raises_inside_ends_the_run() -> None:
    """No tool, and no agent around it, can take it for a failure."""

    class Lost(Exception):
        """The run is no longer ours."""

    class Losing(InMemoryJournal):
        async def record(self, step: Step, run: Any) -> Any:
            if step.path.endswith("run/1/1/tool/1"):
                raise Lost
            return await super().record(step, run)

    with pytest.raises(Lost):
        await boss(ASK, inner=scout(LOOK), journal=Losing()).run("goal")


async def test_depth_is_bounded() -> None:
    """An agent that calls itself is told to do it itself in the end."""
    llm = ScriptedLlm([ASK, ASK, ASK, ASK, answer("I did."), *[answer("Back.")] * 3])
    agent = Agent(llm, profile=AgentProfile("scout"), security=AllowList(["scout"]))
    agent.tools.add(handoff(agent, "Finds things out."))
    result = await agent.run("goal")
    told = [list(result.events), inner_events(result.events)]
    while told[-1]:
        told.append(inner_events(told[-1]))
    assert ("Back.", 8, 5) == (result.output, len(llm.requests), len(told))
    assert "at most 3 agents call each other: do it yourself" in str(told[3])


def test_an_agent_with_a_journal_of_its_own_is_refused() -> None:
    """Its steps belong into the journal of the run around."""
    with pytest.raises(UsageError, match="scout has a journal of its own"):
        handoff(scout(journal=InMemoryJournal()), "Finds things out.")


async def test_an_agent_runs_inside_any_tool() -> None:
    """What `handoff` does, a tool of one's own can do: several runs, one after the other."""
    inner = scout(FOUND, answer("A countess.", PAID))

    @tool(effect="pure")
    async def twice(ctx: RunContext) -> str:
        """Ask twice."""
        first = await inner.run("Who is Ada?", inside=ctx)
        second = await inner.run("Who else?", inside=ctx)
        return f"{first.output} {second.output}"

    journal = InMemoryJournal()
    outer = Agent(
        ScriptedLlm([call(("twice", {})), answer("Done.")]),
        tools=[twice],
        security=AllowList(["twice"]),
        journal=journal,
    )
    result = await outer.run("goal")
    assert "A mathematician. A countess." == observation(result).text
    assert 60 == result.usage.total_tokens
    assert ["1/tool/1/run/1/1/llm", "1/tool/1/run/2/1/llm"] == [
        record.path for record in journal.records[1:3]
    ]


def trying(inner: Agent) -> Tool:
    """A tool that has an agent, and whatever goes wrong with it has an answer of its own."""

    @tool(name="scout", effect="pure")
    async def attempt(ctx: RunContext, goal: str) -> str:
        """Try."""
        try:
            return (await inner.run(goal, inside=ctx)).output
        except Exception as error:  # noqa: BLE001  as a careless tool does
            return f"I could not: {error}"

    return attempt


async def test_a_tool_may_catch_what_its_agent_raises() -> None:
    """A provider that fails, for one: the run around goes on."""
    attempt = trying(scout(AuthenticationFailed("check the key")))
    outer = Agent(ScriptedLlm([ASK, DONE]), tools=[attempt], security=AllowList(["scout"]))
    assert "I could not: check the key" == observation(await outer.run("goal")).text


async def test_a_tool_cannot_catch_what_the_journal_raises() -> None:
    """As for anything else that a tool asks of its run."""

    class Lost(Exception):
        """The run is no longer ours."""

    class Losing(InMemoryJournal):
        async def record(self, step: Step, run: Any) -> Any:
            if "run" in step.path:
                raise Lost
            return await super().record(step, run)

    outer = Agent(
        ScriptedLlm([ASK]),
        tools=[trying(scout(FOUND))],
        security=AllowList(["scout"]),
        journal=Losing(),
    )
    with pytest.raises(Lost):
        await outer.run("goal")


async def test_a_handoff_without_an_agent_around_runs_alone() -> None:
    """As any tool that takes a context does."""
    tool = handoff(scout(FOUND), "Finds things out.")
    assert "A mathematician." == await tool.call(tool.parse({"goal": "Who is Ada?"}))


async def test_both_questions_are_put() -> None:
    """Where two managers ask a person, the person reads both."""
    from agentkit.messages import ToolCall
    from agentkit.security import CallContext, Within

    class Asks:
        def __init__(self, rule: str, question: str) -> None:
            self._decision = NeedApproval(rule, question)

        async def check(self, call: ToolCall, context: CallContext) -> NeedApproval:
            return self._decision

    both = Within(Asks("a", "Now?"), Asks("b", "Here?").check)
    context = CallContext("agent", "goal", "1/tool/1", "pure")
    asked = await both.check(ToolCall("id", "look", {}), context)
    assert NeedApproval("a, b", "Now? Here?") == asked
