"""The loop: what it yields, what it asks, how it ends, and that it replays."""

from __future__ import annotations

import ast
import asyncio
import inspect
from decimal import Decimal
from typing import Any

import pytest

import agentkit.agent
from agentkit import Agent, AgentProfile, AllowList, InMemoryJournal, ModelSettings, SimplePlanner
from agentkit.errors import AuthenticationFailed, Nondeterministic, UsageError
from agentkit.events import Event, Finished
from agentkit.memory import ShortTermMemory
from agentkit.messages import (
    AssistantMessage,
    Label,
    Reply,
    SystemMessage,
    ToolMessage,
    Usage,
    UserMessage,
)
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call
from agentkit.tools.builtin import calculator

PAID = Usage(10, 5, Decimal("0.001"))
MULTIPLY = call(("calculator", {"expression": "17 * 23"}), thought="I multiply.", usage=PAID)
GOAL = "What is 17 * 23?"


def calculating(llm: ScriptedLlm, **options: Any) -> Agent:
    return Agent(llm, tools=[calculator], security=AllowList(["calculator"]), **options)


def test_the_loop_fits_on_a_page() -> None:
    """Whatever is added to agentkit is added beside the loop: the function stays under 40 lines."""
    module = ast.parse(inspect.getsource(agentkit.agent))
    loop = next(
        node
        for node in ast.walk(module)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "stream"
    )
    assert loop.end_lineno is not None
    assert 40 > loop.end_lineno - loop.lineno + 1


async def test_thought_call_observation_answer() -> None:
    """The events of a run tell its story in order, and the last one its result."""
    llm = ScriptedLlm([MULTIPLY, answer("It is 391.", PAID)])
    result = await calculating(llm).run(GOAL)
    assert [
        ("model_started", 1),
        ("prompt_built", 1),
        ("model_replied", 1),
        ("tool_started", 1),
        ("tool_finished", 1),
        ("model_started", 2),
        ("prompt_built", 2),
        ("model_replied", 2),
        ("finished", None),
    ] == [(event.kind, getattr(event, "step", None)) for event in result.events]
    assert Finished("It is 391.", 2, PAID + PAID, "answered") == result.events[-1]


async def test_the_result_of_a_run() -> None:
    """`run` returns the output, why it ended, the usage of all calls, and the steps."""
    result = await calculating(ScriptedLlm([MULTIPLY, answer("391", PAID)])).run(GOAL)
    expected = ("391", "answered", PAID + PAID, 2)
    assert expected == (result.output, result.reason, result.usage, result.steps)


async def test_the_model_sees_its_call_and_the_observation() -> None:
    """The second prompt is the first one, the model's own message and what came of it."""
    llm = ScriptedLlm([MULTIPLY, answer("391")])
    await calculating(llm).run(GOAL)
    first, second = llm.requests
    seen = ToolMessage("call_1", "calculator", "391", label=Label("tool", "calculator"))
    assert (*first.messages, MULTIPLY.message, seen) == (second.messages)


async def test_the_profile_reaches_the_model() -> None:
    """Instructions open the conversation; settings go with every call."""
    profile = AgentProfile("a", "Answer in French.", ModelSettings(temperature=0.1))
    llm = ScriptedLlm([answer("oui")])
    await Agent(llm, profile=profile, planner=SimplePlanner()).run("Is it?")
    assert (SystemMessage("Answer in French."), UserMessage("Is it?")) == llm.requests[0].messages
    assert ModelSettings(temperature=0.1) == llm.requests[0].settings


async def test_tools_are_offered_by_the_planner() -> None:
    """ReAct offers the agent's tools."""
    react = ScriptedLlm([answer("1")])
    await calculating(react).run(GOAL)
    assert (calculator.spec,) == react.requests[0].tools


def test_tools_that_no_planner_would_offer_are_refused() -> None:
    """Before a run: a model that is never offered them would answer without, and say nothing of it."""
    with pytest.raises(UsageError, match="SimplePlanner offers no tools, and calculator was given"):
        calculating(ScriptedLlm([]), planner=SimplePlanner())


async def test_the_memory_chooses_what_the_model_sees() -> None:
    """A small memory drops the oldest turn from the prompt."""
    texts = ["x" * 400, "y" * 400]
    script = [*(call(("record", {"text": text})) for text in texts), answer("done")]
    llm = ScriptedLlm(script)
    agent = Agent(
        llm,
        tools=[RecordingTool().tool],
        security=AllowList(["record"]),
        planner=_Bare(),
        memory=ShortTermMemory(max_tokens=200),
    )
    await agent.run("goal")
    seen = str(llm.requests[2].messages)
    assert (False, True) == (texts[0] in seen, texts[1] in seen)


class _Bare(SimplePlanner):
    """Acts like ReAct with a short prompt, so that the numbers of a memory test stay small."""

    def next(self, transcript: Any, stop: Any, tools: Any = ()) -> Any:
        from agentkit.planning import ReActPlanner

        return ReActPlanner().next(transcript, stop)


async def test_what_a_model_says_is_clean_of_what_cannot_be_sent_to_it_again() -> None:
    """Half of a sign, and NUL: in its words, in its arguments and in what it answers."""
    recording = RecordingTool("look")
    wish = call(("look", {"text": "a\ud800\0b"}), thought="I look\udfff.")
    llm = ScriptedLlm([wish, answer('{"n": "x\\ud800"}\ud800')])
    agent = Agent(llm, tools=[recording.tool], security=AllowList(["look"]))
    result = await agent.run("goal")
    said = llm.requests[1].messages[2]
    assert isinstance(said, AssistantMessage)
    assert ("I look?.", {"text": "a?b"}) == (said.text, said.tool_calls[0].arguments)
    assert (["a?b"], '{"n": "x\\ud800"}?') == (recording.calls, result.output)


async def test_a_structured_answer_is_clean() -> None:
    """JSON can write half of a sign without having one."""
    agent = Agent(ScriptedLlm([answer('{"n\\ud800": ["x\\ud800"]}')]), output={"type": "object"})
    assert {"n?": ["x?"]} == (await agent.run("goal")).structured


async def test_a_failing_provider_ends_the_run() -> None:
    """What the client raises passes through unchanged."""
    error = AuthenticationFailed("check the key")
    with pytest.raises(AuthenticationFailed) as caught:
        await Agent(ScriptedLlm([error])).run("goal")
    assert error is caught.value


async def test_a_model_in_a_loop_ends_with_a_reason() -> None:
    """The same call thrice is made twice, and the run says why it ended."""
    recording = RecordingTool()
    same = call(("record", {"text": "a"}))
    agent = Agent(
        ScriptedLlm([same, same, same]), tools=[recording.tool], security=AllowList(["record"])
    )
    result = await agent.run("goal")
    assert ("repeated_call", ["a", "a"]) == (result.reason, recording.calls)


async def test_cancelling_passes_through() -> None:
    """A cancelled run raises CancelledError, not an error of ours, and asks nothing more."""
    llm = ScriptedLlm([answer("never said")], gate=asyncio.Event())
    running = asyncio.create_task(Agent(llm).run("goal"))
    await llm.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert 1 == len(llm.requests)


async def test_a_listener_may_leave_early() -> None:
    """Closing the stream stops the run at that event."""
    llm = ScriptedLlm([MULTIPLY, answer("never said")])
    stream = calculating(llm).stream(GOAL)
    async for event in stream:
        if event.kind == "tool_started":
            break
    await stream.aclose()
    assert 1 == len(llm.requests)


async def test_an_agent_serves_many_runs_at_once() -> None:
    """Runs share nothing but the agent: each has its own steps and usage."""
    agent = calculating(ScriptedLlm([answer("a", PAID), answer("b", PAID)]))
    results = await asyncio.gather(agent.run("one"), agent.run("two"))
    assert [(1, PAID), (1, PAID)] == [(result.steps, result.usage) for result in results]


async def test_a_replay_repeats_no_effect_and_tells_the_same_story() -> None:
    """A finished run, replayed from its records, asks no model, calls no tool, ends the same."""
    recording, journal = RecordingTool(), InMemoryJournal()
    script = [call(("record", {"text": "a"}), usage=PAID), answer("done", PAID)]

    async def events(llm: ScriptedLlm, journal: InMemoryJournal) -> list[Event]:
        allowed = AllowList(["record"])
        agent = Agent(llm, tools=[recording.tool], security=allowed, journal=journal)
        return [event async for event in agent.stream("goal")]

    first = await events(ScriptedLlm(script), journal)
    again = ScriptedLlm([])
    assert first == await events(again, InMemoryJournal(journal.records))
    assert (["a"], []) == (recording.calls, again.requests)


async def test_a_run_continues_at_the_first_step_that_is_not_recorded() -> None:
    """After a crash before the second model call, only that call is made."""
    journal = InMemoryJournal()
    with pytest.raises(AssertionError, match="asked for more"):
        await calculating(ScriptedLlm([MULTIPLY]), journal=journal).run(GOAL)
    llm = ScriptedLlm([answer("391")])
    result = await calculating(llm, journal=InMemoryJournal(journal.records)).run(GOAL)
    assert ("391", 1) == (result.output, len(llm.requests))


async def test_a_replay_under_another_policy_keeps_what_was_recorded() -> None:
    """A call that was allowed and made is not undone by a policy that changed since."""
    journal = InMemoryJournal()
    first = await calculating(ScriptedLlm([MULTIPLY, answer("391")]), journal=journal).run(GOAL)
    replay = InMemoryJournal(journal.records)
    strict = Agent(ScriptedLlm([]), tools=[calculator], journal=replay)
    assert first == await strict.run(GOAL)


async def test_a_replay_with_another_model_is_refused() -> None:
    """The step that differs is named."""
    journal = InMemoryJournal()
    await Agent(ScriptedLlm([answer("1")]), journal=journal).run("goal")
    other = Agent(ScriptedLlm([], model="other"), journal=InMemoryJournal(journal.records))
    with pytest.raises(Nondeterministic, match="1/llm"):
        await other.run("goal")


async def test_a_reply_cut_by_its_length_is_no_answer() -> None:
    """The run ends with what there is, and says that it is not whole."""
    cut = Reply(AssistantMessage("It is 39"), PAID, "length", "m")
    result = await Agent(ScriptedLlm([cut])).run("goal")
    assert ("It is 39", "length") == (result.output, result.reason)
