"""An agent as a tool of another: one journal, one bill, and its events told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from handing_over import ASK, DONE, FOUND, LOOK, PAID, boss, inner_events, observation, scout

from agentkit import Agent, AllowList, InMemoryJournal, RunContext, handoff, tool
from agentkit.errors import UsageError
from agentkit.events import Finished, HandedOver, ToolFinished
from agentkit.messages import Delta, Reply, TextDelta
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call


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


async def test_a_handoff_without_an_agent_around_runs_alone() -> None:
    """As any tool that takes a context does."""
    tool = handoff(scout(FOUND), "Finds things out.")
    assert "A mathematician." == await tool.call(tool.parse({"goal": "Who is Ada?"}))
