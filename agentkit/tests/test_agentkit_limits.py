"""Limits end a run with a reason, and keep what was reached."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from typing import Any

import pytest

from agentkit import Agent, AllowList, InMemoryJournal, Limits, Step, tool
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import Event, LimitReached, ModelReplied
from agentkit.llm import ModelRequest
from agentkit.messages import Reply, Usage
from agentkit.testing import FrozenClock, RecordingTool, ScriptedLlm, answer, call

USAGE = Usage(60, 40, Decimal("0.01"))


def looking(text: str, thought: str = "") -> Reply:
    return call(("record", {"text": text}), thought=thought, usage=USAGE)


def agent(llm: ScriptedLlm, limits: Limits, **options: Any) -> Agent:
    tools = [RecordingTool().tool]
    return Agent(llm, tools=tools, security=AllowList(["record"]), limits=limits, **options)


async def exceeded(agent: Agent) -> tuple[LimitExceeded, list[Event]]:
    events: list[Event] = []

    async def listen() -> None:
        async for event in agent.stream("goal"):
            events.append(event)  # noqa: PERF401  a comprehension would lose them to the exception

    with pytest.raises(LimitExceeded) as caught:
        await listen()
    return caught.value, events


async def test_steps() -> None:
    """After the last allowed step the model is not asked again, and its last thought is kept."""
    llm = ScriptedLlm([looking("a"), looking("b", "nearly there"), answer("never said")])
    error, events = await exceeded(agent(llm, Limits(steps=2)))
    assert ("steps", "nearly there") == (error.limit, error.partial_output)
    assert USAGE + USAGE == error.usage
    assert LimitReached(2, "steps", error.detail) == events[-1]
    assert 2 == len(llm.requests)


async def test_tokens() -> None:
    """The step that would start above the limit does not start."""
    llm = ScriptedLlm([looking("a"), looking("b"), answer("never said")])
    error, _ = await exceeded(agent(llm, Limits(tokens=150)))
    assert ("tokens", 200) == (error.limit, error.usage.total_tokens)


async def test_an_answer_above_the_token_limit_is_kept() -> None:
    """What is paid for and complete is not thrown away."""
    llm = ScriptedLlm([answer("done", USAGE)])
    assert "done" == (await agent(llm, Limits(tokens=1)).run("goal")).output


async def test_seconds_between_steps() -> None:
    """Time that passed during a step counts before the next one."""
    clock = FrozenClock()

    def slowly(_: ModelRequest) -> Reply:
        clock.advance(11)
        return looking("a")

    llm = ScriptedLlm([slowly])
    error, events = await exceeded(agent(llm, Limits(seconds=10), clock=clock))
    assert "seconds" == error.limit
    assert ["model_replied", "tool_started", "limit_reached"] == [
        event.kind for event in events[-3:]
    ]


async def test_a_step_does_not_start_when_the_time_is_over() -> None:
    """Time that a tool took counts, and the next model call is not even announced."""
    clock = FrozenClock()

    @tool
    async def record(text: str) -> None:
        """Take eleven seconds."""
        clock.advance(11)

    slow = Agent(
        ScriptedLlm([looking("a")]),
        tools=[record],
        security=AllowList(["record"]),
        limits=Limits(seconds=10),
        clock=clock,
    )
    _, events = await exceeded(slow)
    assert ["tool_finished", "limit_reached"] == [event.kind for event in events[-2:]]


async def test_seconds_interrupt_a_model_call() -> None:
    """A model call under way is cancelled when the time is over."""
    llm = ScriptedLlm([answer("never said")], gate=asyncio.Event())
    error, events = await exceeded(agent(llm, Limits(seconds=0.01)))
    assert "seconds" == error.limit
    assert not any(isinstance(event, ModelReplied) for event in events)


async def test_seconds_interrupt_a_tool() -> None:
    """A tool under way is cancelled, too."""
    cancelled = asyncio.Event()

    @tool
    async def record(text: str) -> None:
        """Never return."""
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    patient = Agent(
        ScriptedLlm([looking("a")]),
        tools=[record],
        security=AllowList(["record"]),
        limits=Limits(seconds=0.01),
    )
    error, _ = await exceeded(patient)
    assert "seconds" == error.limit
    assert cancelled.is_set()


async def test_seconds_never_interrupt_the_journal() -> None:
    """A journal that is slow to write keeps what was paid for; the run ends after it."""
    clock, journal = FrozenClock(), SlowJournal()
    journal.clock = clock
    llm = ScriptedLlm([looking("a")])
    error, events = await exceeded(agent(llm, Limits(seconds=10), clock=clock, journal=journal))
    assert "seconds" == error.limit
    assert ["1/llm"] == [record.path for record in journal.records]
    assert "model_replied" in [event.kind for event in events]


class SlowJournal(InMemoryJournal):
    """Takes longer to write a record than the run may take."""

    clock: FrozenClock

    async def record(self, step: Step, run: Any) -> Any:
        value = await super().record(step, run)
        self.clock.advance(11)
        return value


class SlowReplay(InMemoryJournal):
    """Takes eleven seconds to find a record."""

    clock: FrozenClock

    async def record(self, step: Step, run: Any) -> Any:
        self.clock.advance(11)
        return await super().record(step, run)


async def test_seconds_never_cut_what_is_recorded() -> None:
    """A replay that is slow to read is not stopped before the first step that it has to make."""
    script = [looking("a"), looking("b"), answer("done")]
    first, limits = InMemoryJournal(), Limits(seconds=10)
    await agent(ScriptedLlm(script), limits, journal=first).run("goal")
    clock, replay = FrozenClock(), SlowReplay(first.records[:-1])
    replay.clock = clock
    llm = ScriptedLlm(script[-1:])
    assert "done" == (await agent(llm, limits, clock=clock, journal=replay).run("goal")).output
    assert 1 == len(llm.requests)


async def test_seconds_settle_an_unsafe_call_first() -> None:
    """What the time cut off is recorded as being in doubt, and then the run ends."""

    @tool
    async def record(text: str) -> None:
        """Never return."""
        await asyncio.Event().wait()

    journal = InMemoryJournal()
    cut = Agent(
        ScriptedLlm([looking("a")]),
        tools=[record],
        security=AllowList(["record"]),
        limits=Limits(seconds=0.01),
        journal=journal,
        clock=FrozenClock(),  # which has seen nothing of the time that the call was given
    )
    error, events = await exceeded(cut)
    assert ("seconds", 2) == (error.limit, len(journal.records))
    assert "record was cut off" in str(journal.records[-1].value)
    assert "tool_finished" in [event.kind for event in events]


async def test_cost() -> None:
    """The step that would start above the limit does not start."""
    llm = ScriptedLlm([looking("a"), looking("b"), answer("never said")])
    error, _ = await exceeded(agent(llm, Limits(cost_usd=Decimal("0.015"))))
    assert ("cost", Decimal("0.02")) == (error.limit, error.usage.cost_usd)
    assert "$0.02 spent, $0.015 allowed." == error.detail


async def test_a_price_that_is_not_known_counts_as_reached() -> None:
    """A limit that cannot be kept is not passed over: the run ends before the next step."""
    unpriced = call(("record", {"text": "a"}), usage=Usage(60, 40, None))
    llm = ScriptedLlm([unpriced, answer("never said")])
    error, _ = await exceeded(agent(llm, Limits(cost_usd=100)))
    assert ("cost", 1) == (error.limit, len(llm.requests))
    assert "no known price" in error.detail


async def test_a_price_that_is_not_known_matters_only_to_a_limit_on_it() -> None:
    """Without one, the run goes on."""
    unpriced = call(("record", {"text": "a"}), usage=Usage(60, 40, None))
    llm = ScriptedLlm([unpriced, answer("done")])
    assert "done" == (await agent(llm, Limits()).run("goal")).output


async def test_calls_of_one_tool() -> None:
    """The call that is one too many is not made, and none of its step is."""
    recording = RecordingTool()
    both = call(("record", {"text": "b"}), ("record", {"text": "c"}), thought="two more")
    counting = Agent(
        ScriptedLlm([looking("a"), both]),
        tools=[recording.tool],
        security=AllowList(["record"]),
        limits=Limits(calls={"record": 2}),
    )
    error, events = await exceeded(counting)
    assert ("calls", ["a"], "two more") == (error.limit, recording.calls, error.partial_output)
    assert ["model_replied", "limit_reached"] == [event.kind for event in events[-2:]]


async def test_a_call_that_cannot_be_made_is_not_counted() -> None:
    """Wrong arguments and unknown tools reach no tool."""
    wrong = call(("record", {"txt": "a"}), ("recrod", {"text": "a"}))
    llm = ScriptedLlm([wrong, looking("a"), answer("done")])
    assert "done" == (await agent(llm, Limits(calls={"record": 1})).run("goal")).output


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"seconds": -1.0},
        {"seconds": math.nan},
        {"tokens": 0},
        {"cost_usd": 0},
        {"cost_usd": Decimal("NaN")},
        {"calls": {"record": 0}},
    ],
)
def test_a_limit_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """A limit under which nothing could run is a mistake."""
    with pytest.raises(UsageError, match="above 0"):
        Limits(**wrong)


@pytest.mark.parametrize("wrong", [{"steps": 2.5}, {"tokens": 1e6}, {"calls": {"record": 1.5}}])
def test_half_a_step_is_refused(wrong: dict[str, Any]) -> None:
    """What is counted is limited by a whole number."""
    with pytest.raises(UsageError, match="whole number"):
        Limits(**wrong)
