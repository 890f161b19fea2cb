"""Replies that contradict themselves: no client of ours lets them pass, but a client is a port."""

from __future__ import annotations

import asyncio

import pytest

from agentkit import Agent, InMemoryJournal, Limits, PlanExecutePlanner, SimplePlanner
from agentkit.errors import ModelMisbehaved
from agentkit.messages import AssistantMessage, Reply, Stop, ToolCall, Usage
from agentkit.planning import Planner
from agentkit.testing import ScriptedLlm, answer, call

WANTED = call(("look", {}))


def saying(stop: Stop, *calls: ToolCall) -> Reply:
    return Reply(AssistantMessage("I think.", calls), Usage(1, 1), stop, "m")


@pytest.mark.parametrize("stop", ["tool_calls", "end"])
async def test_a_reply_that_contradicts_itself_ends_the_run(stop: Stop) -> None:
    """Calls are announced and there are none, or the other way round: it would lead nowhere."""
    calls = WANTED.message.tool_calls if stop == "end" else ()
    journal = InMemoryJournal()
    agent = Agent(ScriptedLlm([saying(stop, *calls)]), limits=Limits(steps=3), journal=journal)
    async with asyncio.timeout(5):
        with pytest.raises(ModelMisbehaved, match="contradicts itself"):
            await agent.run("goal")
    assert () == journal.records  # sampled again, not replayed, when the run is tried again


@pytest.mark.parametrize("planner", [SimplePlanner(), PlanExecutePlanner()])
async def test_calls_that_were_not_offered_are_no_answer(planner: Planner) -> None:
    """Where only an answer is wanted, a call is none: not an empty one either."""
    plan = [answer('{"steps": []}')] if isinstance(planner, PlanExecutePlanner) else []
    with pytest.raises(ModelMisbehaved, match="called look, and no tool was offered"):
        await Agent(ScriptedLlm([*plan, WANTED]), planner=planner).run("goal")
