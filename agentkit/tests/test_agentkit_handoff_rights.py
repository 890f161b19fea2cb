"""Work that is handed over: what both agents allow is made, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from handing_over import ASK, DONE, FOUND, LOOK, boss, inner_events, scout

from agentkit import Agent, AgentProfile, AllowList, InMemoryJournal, Step, handoff
from agentkit.events import ToolFinished
from agentkit.security import NeedApproval
from agentkit.testing import RecordingTool, ScriptedLlm, answer


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
