"""Whatever a conversation looks like, no provider is shown a call without its result, or the other way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit import Agent, AllowList
from agentkit.memory import Memory, ShortTermMemory, SummarizingMemory, paired
from agentkit.messages import (
    AssistantMessage,
    Message,
    Reasoning,
    Stop,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
    to_json,
)
from agentkit.planning import Ask, Finish, Move
from agentkit.testing import ScriptedLlm, answer

IDS = st.sampled_from(["a", "b", "c", ""])
TEXTS = st.sampled_from(["", "short", "long " * 200])

MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(SystemMessage, TEXTS),
    st.builds(UserMessage, TEXTS),
    st.builds(
        AssistantMessage,
        TEXTS,
        st.lists(st.builds(ToolCall, IDS, st.just("t"), st.just({})), max_size=3).map(tuple),
    ),
    st.builds(ToolMessage, IDS, st.just("t"), TEXTS),
)

TRANSCRIPTS = st.lists(MESSAGES, max_size=12)


class Run:
    """Implements `Recorder` without a journal."""

    async def __call__(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        return await run()

    def spent(self, usage: Usage) -> None:
        pass


class _Summing(ScriptedLlm):
    """Answers as often as it is asked."""

    def __init__(self) -> None:
        super().__init__(answer("so far") for _ in iter(int, 1))


def refused(window: Sequence[Message]) -> list[str]:
    """What a provider would say: each assistant message's calls are answered right after it, once."""
    wrong: list[str] = []
    open_calls: list[str] = []
    for message in window:
        if isinstance(message, ToolMessage):
            if message.call_id not in open_calls:
                wrong.append(f"a result of {message.call_id!r} without its call")
            else:
                open_calls.remove(message.call_id)
            continue
        wrong += [f"call {call!r} has no result" for call in open_calls]
        open_calls = []
        if isinstance(message, AssistantMessage):
            open_calls = [call.id for call in message.tool_calls]
            if len(set(open_calls)) < len(open_calls):
                wrong.append("two calls of one id")
            if not message.text and not open_calls:
                wrong.append("the model says nothing")
    return wrong + [f"call {call!r} has no result" for call in open_calls]


def memories() -> list[Memory]:
    return [
        ShortTermMemory(50),
        ShortTermMemory(),
        SummarizingMemory(_Summing(), max_tokens=60, summary_tokens=20),
    ]


@settings(deadline=None)  # a busy machine is no defect
@given(TRANSCRIPTS)
async def test_no_window_has_an_orphan(transcript: list[Message]) -> None:
    """Of any transcript, for any memory; what says nothing at all is not ours to judge."""
    spoken = [
        m for m in transcript if not isinstance(m, AssistantMessage) or m.text or m.tool_calls
    ]
    for memory in memories():
        assert [] == refused(await memory.window(spoken, Run()))


@settings(deadline=None)  # a busy machine is no defect
@given(TRANSCRIPTS)
def test_pairing_twice_changes_nothing_more(transcript: list[Message]) -> None:
    """What is paired is in order, and is left as it is."""
    once = paired(transcript)
    assert once == paired(once)
    assert [m for m in once if isinstance(m, UserMessage)] == [
        m for m in transcript if isinstance(m, UserMessage)
    ]


def test_a_call_without_a_result_is_left_out_of_its_message() -> None:
    """Its thought, its reasoning and its other calls stay."""
    reasoning = (Reasoning("hm", "somebody"),)
    calls = (ToolCall("a", "t", {}), ToolCall("b", "t", {}))
    whole = AssistantMessage("both", calls, reasoning)
    result = ToolMessage("b", "t", "done")
    assert [AssistantMessage("both", calls[1:], reasoning), result] == paired([whole, result])
    assert [AssistantMessage("both", (), reasoning)] == paired([whole])


class _Careless:
    """A planner that shows the model a transcript in which a run was cut."""

    pins: tuple[str, ...] = ()

    def open(self, instructions: str, goal: str, tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        lost = AssistantMessage("", (ToolCall("a", "t", {}),))
        stray = ToolMessage("z", "t", "of nothing")
        return SystemMessage(instructions), UserMessage(goal), lost, UserMessage("again"), stray

    def next(
        self, transcript: Sequence[Message], stop: Stop | None, tools: Sequence[ToolSpec]
    ) -> Move:
        last = transcript[-1]
        return Finish(last.text, "answered") if stop else Ask(tuple(transcript))


async def test_a_cut_run_does_not_poison_the_next_one() -> None:
    """The model is shown what both sides said, and no half of a call."""
    llm = ScriptedLlm([answer("fine")])
    agent = Agent(llm, planner=_Careless(), security=AllowList())
    assert "fine" == (await agent.run("go on")).output
    kinds = [message.kind for message in llm.requests[0].messages]
    assert ["system", "user", "user"] == kinds


@pytest.mark.parametrize("memory", memories(), ids=lambda memory: type(memory).__name__)
async def test_an_empty_conversation(memory: Memory) -> None:
    """Nothing is shown of nothing."""
    assert () == await memory.window([], Run())
    assert {"kind": "system", "text": "x"} == to_json(SystemMessage("x"))
