"""What clients see of an answer while a model writes it, and what that must not do to the task."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

import pytest

from agentkit.llm import LlmClient
from agentkit.messages import Delta as Piece
from agentkit.messages import ReasoningDelta, Reply, TextDelta, ToolCallDelta
from agentkit.testing import ScriptedLlm, answer
from ops_core.execute import Executor
from ops_core.ports import Profile, TaskKey
from ops_core.request import TaskRequest
from ops_core.service import TaskService
from ops_core.streams.local import LocalSignals
from ops_core.streams.pieces import Pieces
from ops_core.streams.signals import MAX_DELTA, Delta, Interest, Signals
from ops_core.testing import MemoryStore
from ops_core.writer import StepWriter
from opspawn.agents import toolbox
from opspawn.agents.contract import AGENT_RUN, TASK_TYPES
from opspawn.agents.handler import AgentHandler
from opspawn.settings import Settings

pytestmark = pytest.mark.unit

WITHIN_S = 10.0
KEY = TaskKey("default", "task_1")


class Ear:
    """A listener that remembers, and says when it has heard."""

    def __init__(self) -> None:
        self.deltas: list[dict[str, Any]] = []
        self.heard = asyncio.Event()

    def changed(self, key: TaskKey) -> None: ...

    def delta(self, key: TaskKey, delta: Delta) -> None:
        self.deltas.append(delta.data)
        self.heard.set()


class Writing(ScriptedLlm):
    """Writes some pieces, and its reply when it may go on; counts how it was asked."""

    def __init__(self, *pieces: Piece, go_on: asyncio.Event) -> None:
        super().__init__([answer("42"), answer("42")])
        self._pieces = pieces
        self._go_on = go_on
        self.streamed = 0
        self.begun = asyncio.Event()

    async def stream(self, *asked: Any, **more: Any) -> AsyncGenerator[Piece | Reply, None]:
        self.streamed += 1
        self.begun.set()
        for piece in self._pieces:
            yield piece
        await self._go_on.wait()
        yield await self.complete(*asked, **more)


class OneModel:
    def __init__(self, llm: LlmClient) -> None:
        self._llm = llm

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        return self._llm

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""


async def run(
    llm: LlmClient, signals: Signals, before: Callable[[TaskKey], None], **settings_: Any
) -> str:
    """Runs one task to its end; its status."""
    store = MemoryStore()
    service = TaskService(store, TASK_TYPES, lambda *_: None)
    request = TaskRequest(task_type=AGENT_RUN, input_data={"goal": "g"})
    task = (await service.submit(request, tenant_id="default")).task
    before(TaskKey("default", task.task_id))
    settings = Settings(_env_file=None, llm_provider="local", **settings_)
    handler = AgentHandler(
        settings, OneModel(llm), toolbox.load([]), service.submit, signals=signals
    )
    profile = Profile(pins={AGENT_RUN: handler.pins}, supports=handler.supports)
    await store.beat("w", ["default"], slots=1, running=0, profile=profile)
    [claimed] = await store.claim("w", ["default"], 1)
    writer = StepWriter(store)
    writing = asyncio.create_task(writer.run())
    executor = Executor(store, writer, {AGENT_RUN: handler})
    try:
        async with asyncio.timeout(WITHIN_S):
            await executor.execute(executor.open(claimed))
    finally:
        writing.cancel()
    return (await store.get("default", task.task_id)).status


async def test_what_a_model_writes_is_seen_while_it_writes() -> None:
    """Piece by piece, each with its step and its kind; what follows each other is put together."""
    signals, ear = LocalSignals(), Ear()
    signals.listen(ear)
    llm = Writing(
        ReasoningDelta("Hm"),
        TextDelta("4"),
        TextDelta("2"),
        ToolCallDelta(0, "call_1", "calculator", '{"a"'),
        ToolCallDelta(0, arguments=": 1}"),
        go_on=ear.heard,
    )
    status = await run(llm, signals, lambda key: signals.watch([Interest(key, deltas=True)]))
    place = {"path": "1/llm", "step": 1}
    assert [
        place | {"kind": "reasoning", "text": "Hm"},
        place | {"kind": "text", "text": "42"},
        place | {"kind": "tool", "index": 0, "text": "calculator"},
        place | {"kind": "arguments", "index": 0, "text": '{"a": 1}'},
    ] == ear.deltas
    assert "completed" == status


async def test_a_task_that_nobody_watches_writes_for_nobody() -> None:
    """Its model is asked for the whole reply."""
    go_on = asyncio.Event()
    go_on.set()
    llm = Writing(TextDelta("4"), go_on=go_on)
    watched = LocalSignals()
    assert "completed" == await run(llm, watched, lambda _key: None)
    assert 0 == llm.streamed


async def test_who_comes_in_the_middle_sees_the_rest_where_models_always_write() -> None:
    """Nobody watched when the call began; what was written before is not told."""
    signals, ear, go_on = LocalSignals(), Ear(), asyncio.Event()
    signals.listen(ear)
    llm = Writing(TextDelta("4"), go_on=go_on)
    keys: list[TaskKey] = []
    running = asyncio.create_task(run(llm, signals, keys.append, llm_streaming="always"))
    async with asyncio.timeout(WITHIN_S):
        await llm.begun.wait()
        signals.watch([Interest(keys[0], deltas=True)])
        await ear.heard.wait()
        go_on.set()
        assert "completed" == await running
    assert ["4"] == [data["text"] for data in ear.deltas]


async def test_many_tokens_are_few_signals() -> None:
    """What is written within a moment is told together, and cut where it is too long for a preview."""
    signals, ear = LocalSignals(), Ear()
    signals.listen(ear)
    signals.watch([Interest(KEY, deltas=True)])
    pieces = Pieces(signals, KEY)
    for n in range(MAX_DELTA + 100):
        pieces.add({"kind": "text"}, "x")
        if n % 1000 == 0:
            await asyncio.sleep(0)  # as between two tokens
    pieces.add({"kind": "reasoning"}, "y")
    async with asyncio.timeout(WITHIN_S):
        await ear.heard.wait()
    assert [{"kind": "text", "text": "x" * MAX_DELTA}] == ear.deltas


async def test_what_the_log_has_is_not_told_any_more() -> None:
    """A preview that comes after its event would be shown twice."""
    signals, ear = LocalSignals(), Ear()
    signals.listen(ear)
    signals.watch([Interest(KEY, deltas=True)])
    pieces = Pieces(signals, KEY)
    pieces.add({"kind": "text"}, "early")
    pieces.drop()
    pieces.add({"kind": "text"}, "late")
    async with asyncio.timeout(WITHIN_S):
        await ear.heard.wait()
    assert [{"kind": "text", "text": "late"}] == ear.deltas
