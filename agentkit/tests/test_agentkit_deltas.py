"""Deltas: what a model writes is told while it is written, and changes nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from agentkit import Agent, AllowList, InMemoryJournal, Limits
from agentkit.errors import LimitExceeded, ModelMisbehaved
from agentkit.events import Event, LimitReached, ModelDelta
from agentkit.messages import Delta, Reply, TextDelta, ToolCallDelta
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call

SCRIPT = [call(("record", {"text": "a"}), thought="I look."), answer("All is well.")]


def agent(llm: ScriptedLlm, **options: Any) -> Agent:
    return Agent(llm, tools=[RecordingTool().tool], security=AllowList(["record"]), **options)


async def told(agent: Agent, *, deltas: bool) -> list[Event]:
    return [event async for event in agent.stream("goal", deltas=deltas)]


async def test_pieces_come_between_question_and_reply() -> None:
    """Text and calls are told piece by piece, each under its step."""
    events = await told(agent(ScriptedLlm(SCRIPT)), deltas=True)
    first = [event.kind for event in events[: events.index(_replied(events, 1)) + 1]]
    assert ["model_started", "prompt_built", *["model_delta"] * 3, "model_replied"] == first
    assert [
        ModelDelta(1, TextDelta("I")),
        ModelDelta(1, TextDelta(" look.")),
        ModelDelta(1, ToolCallDelta(0, "call_1", "record", '{"text": "a"}')),
        ModelDelta(2, TextDelta("All")),
        ModelDelta(2, TextDelta(" is")),
        ModelDelta(2, TextDelta(" well.")),
    ] == [event for event in events if isinstance(event, ModelDelta)]


def _replied(events: list[Event], step: int) -> Event:
    return next(e for e in events if e.kind == "model_replied" and e.step == step)


async def test_deltas_add_nothing_but_themselves() -> None:
    """Without them, the story is the same."""
    with_them = await told(agent(ScriptedLlm(SCRIPT)), deltas=True)
    without = await told(agent(ScriptedLlm(SCRIPT)), deltas=False)
    assert without == [event for event in with_them if not isinstance(event, ModelDelta)]


async def test_a_listener_may_want_deltas_later() -> None:
    """A function is asked before each model call."""
    wanted = iter([False, True])
    events = [
        event
        async for event in agent(ScriptedLlm(SCRIPT)).stream("goal", deltas=lambda: next(wanted))
    ]
    assert [2, 2, 2] == [event.step for event in events if isinstance(event, ModelDelta)]


async def test_a_replay_gives_no_deltas() -> None:
    """A recorded reply was written long ago; the rest of the story is told again."""
    journal = InMemoryJournal()
    first = await told(agent(ScriptedLlm(SCRIPT), journal=journal), deltas=True)
    replay = agent(ScriptedLlm([]), journal=InMemoryJournal(journal.records))
    assert [event for event in first if not isinstance(event, ModelDelta)] == (
        await told(replay, deltas=True)
    )


class Writing(ScriptedLlm):
    """Writes one word, then waits for ever; `closed` is set when its stream is closed."""

    def __init__(self, *, whole: bool = True) -> None:
        super().__init__([])
        self.closed = asyncio.Event()
        self._whole = whole

    async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[Delta | Reply, None]:
        try:
            yield TextDelta("Well")
            if self._whole:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


async def test_a_listener_that_leaves_closes_the_stream() -> None:
    """The model is not left writing for nobody."""
    llm = Writing()
    async with aclosing(Agent(llm).stream("goal", deltas=True)) as events:
        async for event in events:
            if event.kind == "model_delta":
                break
    assert llm.closed.is_set()


async def test_cancelling_closes_the_stream() -> None:
    """A cancelled run ends with CancelledError, and its model's stream is closed by then."""
    llm, heard = Writing(), asyncio.Event()

    async def listen() -> None:
        async for event in Agent(llm).stream("goal", deltas=True):
            if event.kind == "model_delta":
                heard.set()

    running = asyncio.create_task(listen())
    await heard.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert llm.closed.is_set()


async def test_the_limit_on_seconds_closes_the_stream() -> None:
    """What was written until then was told; the reply never comes."""
    llm, events = Writing(), list[Event]()

    async def listen() -> None:
        async for event in Agent(llm, limits=Limits(seconds=0.01)).stream("goal", deltas=True):
            events.append(event)

    with pytest.raises(LimitExceeded):
        await listen()
    assert llm.closed.is_set()
    assert [ModelDelta, LimitReached] == [type(event) for event in events[-2:]]


async def test_a_stream_without_a_reply_is_an_error() -> None:
    """Whatever the client does wrong, half an answer is never taken for one."""
    with pytest.raises(ModelMisbehaved, match="without a reply"):
        await told(Agent(Writing(whole=False)), deltas=True)
