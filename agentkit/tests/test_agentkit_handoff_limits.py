"""Work that is handed over: whose limits hold, and what is on whose bill."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from handing_over import ASK, DONE, FOUND, LOOK, PAID, boss, observation, scout

from agentkit import Agent, AllowList, InMemoryJournal, Limits, Step, handoff
from agentkit.errors import LimitExceeded
from agentkit.events import Event
from agentkit.llm import ModelRequest
from agentkit.messages import Reply
from agentkit.testing import FrozenClock, ScriptedLlm, call
from agentkit.tools.builtin import ask_user

TIMEOUT_S = 0.1


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
