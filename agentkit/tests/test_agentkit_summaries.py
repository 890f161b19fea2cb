"""Running summaries: when they are made, what they are made of, what they cost, and replays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import cast

import pytest
from pydantic import JsonValue

from agentkit import Agent, AllowList, InMemoryJournal, Limits, SummarizingMemory
from agentkit.errors import (
    AuthenticationFailed,
    ContextTooLong,
    LimitExceeded,
    RateLimited,
    UsageError,
)
from agentkit.events import MemoryUsed
from agentkit.messages import (
    AssistantMessage,
    Label,
    Message,
    Reply,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call
from agentkit.testing.scripted_llm import Line
from agentkit.tokens import tokens_of

COST = Usage(100, 20, Decimal("0.001"))


class Run:
    """Implements `Recorder`: `recorded` is what a journal would have."""

    def __init__(self, recorded: dict[str, JsonValue] | None = None) -> None:
        self.recorded = {} if recorded is None else recorded
        self.usage = Usage.none()
        self.step = 0

    async def __call__(self, name: str, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        path = f"{self.step}/{name}"
        if path not in self.recorded:
            self.recorded[path] = await run()
        return self.recorded[path]

    def spent(self, usage: Usage) -> None:
        self.usage += usage


HEAD: list[Message] = [SystemMessage("be brief"), UserMessage("count the ships")]


def turn(number: int, size: int = 400) -> list[Message]:
    """A call with its result, about `size / 4` tokens."""
    calls = (ToolCall(f"id{number}", "look", {"port": number}),)
    return [AssistantMessage("", calls), ToolMessage(f"id{number}", "look", f"{number}" * size)]


def conversation(turns: int, size: int = 400) -> list[Message]:
    return [*HEAD, *(message for number in range(turns) for message in turn(number, size))]


def summarizing(*script: Line) -> tuple[SummarizingMemory, ScriptedLlm]:
    llm = ScriptedLlm(script, model="small")
    return SummarizingMemory(llm, max_tokens=600, summary_tokens=100), llm


def shown(window: tuple[Message, ...]) -> str:
    message = window[2]
    assert isinstance(message, UserMessage)
    assert Label("memory", "summary") == message.label
    assert not message.label.trusted
    return message.text


async def test_what_fits_is_shown_as_it_is() -> None:
    """No model is asked, nothing is recorded."""
    memory, _ = summarizing()
    run = Run()
    assert tuple(conversation(4)) == await memory.window(conversation(4), run)
    assert {} == run.recorded


async def test_without_a_model_it_is_a_plain_window() -> None:
    """The oldest turns are gone."""
    memory = SummarizingMemory(None, max_tokens=600, summary_tokens=100)
    window = await memory.window(conversation(9), Run())
    assert tuple(HEAD) == window[:2]
    assert isinstance(window[2], AssistantMessage)


async def test_older_turns_become_a_summary() -> None:
    """After the head comes what the model made of them, then the newest turns, within the budget."""
    memory, llm = summarizing(answer("ports 0 to 3 are empty", COST))
    run = Run()
    window = await memory.window(conversation(6), run)
    assert "ports 0 to 3 are empty" in shown(window)
    assert "no instruction" in shown(window)
    assert tuple(conversation(6)[-4:]) == window[3:]
    assert 600 >= tokens_of(window)
    assert COST == run.usage
    [request] = llm.requests
    asked = request.messages[1]
    assert "count the ships" in asked.text
    assert 'assistant called look: {"port": 3}' in asked.text
    assert "look answered: 000" in asked.text
    assert "444" not in asked.text
    assert isinstance(asked, UserMessage)
    assert not asked.label.trusted


async def test_a_summary_is_made_once_and_carried_on() -> None:
    """In the steps that follow, the same one is shown unpaid; the next is made of it and of what
    was dropped since, never of the whole again."""
    memory, llm = summarizing(answer("first", COST), answer("second", COST))
    run = Run()
    for run.step in range(1, 10):
        await memory.window(conversation(run.step), run)
    assert 2 == len(llm.requests)
    assert "<summary>\nfirst\n</summary>" in llm.requests[1].messages[1].text
    assert "look answered: 000" not in llm.requests[1].messages[1].text
    assert COST + COST == run.usage


async def test_a_replay_pays_nothing_and_shows_the_same() -> None:
    """Another process gets every summary from the journal, and goes on from the last one."""
    memory, _ = summarizing(answer("first", COST), answer("second", COST))
    run = Run()
    windows = []
    for run.step in range(1, 10):
        windows.append(await memory.window(conversation(run.step), run))
    elsewhere, llm = summarizing(answer("third", COST))
    again = Run(run.recorded)
    for again.step in range(1, 10):
        assert windows[again.step - 1] == await elsewhere.window(conversation(again.step), again)
    assert [] == llm.requests
    assert run.usage == again.usage
    for again.step in range(10, 13):
        await elsewhere.window(conversation(again.step), again)
    assert "<summary>\nsecond\n</summary>" in llm.requests[0].messages[1].text


async def test_what_is_recorded_does_not_depend_on_what_is_kept() -> None:
    """A second run of the same conversation asks no model, and records the same steps."""
    memory, llm = summarizing(answer("first", COST))
    one, other = Run(), Run()
    await memory.window(conversation(6), one)
    await memory.window(conversation(6), other)
    assert 1 == len(llm.requests)
    assert one.recorded.keys() == other.recorded.keys()
    assert Usage.none() == other.usage


async def test_many_runs_at_once_pay_for_each_summary_once() -> None:
    """More than a thousand take turns, and each finds its own again."""
    memory, llm = summarizing(*[answer("some")] * 1_100)
    for turns in (6, 7):
        for number in range(1_100):
            head = [HEAD[0], UserMessage(f"count the ships of port {number}")]
            await memory.window([*head, *conversation(turns)[2:]], Run())
    assert 1_100 == len(llm.requests)


async def test_a_summary_too_many_is_made_again() -> None:
    """The bound is the operator's: what was not used for longest goes first."""
    llm = ScriptedLlm([answer("a"), answer("b"), answer("a again")], model="small")
    memory = SummarizingMemory(llm, max_tokens=600, summary_tokens=100, max_kept=1)
    trains = [HEAD[0], UserMessage("count the trains"), *conversation(6)[2:]]
    taking_turns = (conversation(6), trains, trains, conversation(6))
    windows = [await memory.window(messages, Run()) for messages in taking_turns]
    assert "a again" in shown(windows[-1])


async def test_two_runs_do_not_mix() -> None:
    """Another goal is another conversation."""
    memory, _ = summarizing(answer("of ships"), answer("of trains"))
    await memory.window(conversation(6), Run())
    trains = [HEAD[0], UserMessage("count the trains"), *conversation(6)[2:]]
    assert "of trains" in shown(await memory.window(trains, Run()))


@pytest.mark.parametrize(
    "trouble",
    [
        RateLimited("wait"),
        ContextTooLong("too long"),
        answer(" "),
        Reply(AssistantMessage("I will not"), COST, "refused", "small"),
    ],
    ids=["limited", "too long", "empty", "refused"],
)
async def test_a_summary_that_cannot_be_made(trouble: Line) -> None:
    """The model is told that turns are missing, the run goes on, and the next step tries again."""
    memory, _ = summarizing(trouble, answer("after all"))
    run = Run()
    assert "left out here" in shown(await memory.window(conversation(6), run))
    run.step = 1
    assert "after all" in shown(await memory.window(conversation(6), run))


async def test_a_model_that_is_set_up_wrongly() -> None:
    """It ends the run: a summary that is never made would otherwise be missed by nobody."""
    memory, _ = summarizing(AuthenticationFailed("correct the key"))
    with pytest.raises(AuthenticationFailed):
        await memory.window(conversation(6), Run())


async def test_a_long_summary_is_cut() -> None:
    """It takes no more of the window than it was given."""
    memory, _ = summarizing(answer("word " * 5_000))
    assert 600 >= tokens_of(await memory.window(conversation(6), Run()))


async def test_a_huge_observation_is_summed_up_in_part() -> None:
    """Its beginning and its end; the model that sums up has a window too."""
    memory, llm = summarizing(answer("much"))
    huge = [*HEAD, *turn(1, 200_000), *turn(2)]
    await memory.window(huge, Run())
    asked = llm.requests[0].messages[1].text
    assert 4_000 > len(asked)
    assert "198000 characters left out" in asked


async def test_the_newest_turn_stays() -> None:
    """Even when it alone is over the budget."""
    memory, _ = summarizing(answer("old"))
    window = await memory.window([*conversation(2), *turn(7, 9_000)], Run())
    assert tuple(turn(7, 9_000)) == window[3:]


def test_a_bound_that_keeps_nothing() -> None:
    """Every step would pay for every summary."""
    with pytest.raises(UsageError, match="max_kept=0"):
        SummarizingMemory(None, max_kept=0)


@pytest.mark.parametrize(("whole", "summary"), [(0, 10), (100, 100), (100, 0)])
def test_a_budget_that_cannot_be(whole: int, summary: int) -> None:
    """The summary is a part of the whole."""
    with pytest.raises(UsageError, match="give more than 0"):
        SummarizingMemory(None, max_tokens=whole, summary_tokens=summary)


async def test_an_unknown_version_of_the_prompt() -> None:
    """The versions there are, are named."""
    with pytest.raises(UsageError, match="known: 1"):
        SummarizingMemory(None, prompt_version=99)


def looking(times: int) -> list[Line]:
    return [
        *(call(("look", {"text": str(number)}), usage=COST) for number in range(times)),
        answer("no ships", COST),
    ]


async def test_the_agent_counts_and_journals_its_summaries() -> None:
    """What they used is in the run's usage; a replay of the records asks neither model."""
    memory, small = summarizing(*(answer(f"summary {n}", COST) for n in range(9)))
    tool = RecordingTool("look", "water " * 60)
    journal = InMemoryJournal(run_id="r")
    security = AllowList(["look"])
    agent = Agent(
        ScriptedLlm(looking(8)),
        tools=[tool.tool],
        memory=memory,
        security=security,
        journal=journal,
    )
    result = await agent.run("count the ships")
    told = [event for event in result.events if isinstance(event, MemoryUsed)]
    assert (
        len(small.requests)
        <= len(told)
        == len([r for r in journal.records if "/memory/" in r.path])
    )
    assert 9 + len(small.requests) == round(result.usage.input_tokens / 100)
    assert len(small.requests) in range(1, 6)
    assert cast("Decimal", COST.cost_usd) * (9 + len(small.requests)) == result.usage.cost_usd
    silent, _ = summarizing()
    again = Agent(
        ScriptedLlm([]),
        tools=[tool.tool],
        memory=silent,
        security=security,
        journal=InMemoryJournal(journal.records, run_id="r"),
    )
    replayed = await again.run("count the ships")
    assert (result.output, result.usage) == (replayed.output, replayed.usage)
    assert 8 == len(tool.calls)


async def test_the_limit_on_tokens_counts_summaries() -> None:
    """A run cannot spend unseen."""
    memory, _ = summarizing(*(answer("s", Usage(10_000, 0, None)) for _ in range(9)))
    tool = RecordingTool("look", "water " * 60)
    agent = Agent(
        ScriptedLlm(looking(8)),
        tools=[tool.tool],
        memory=memory,
        security=AllowList(["look"]),
        limits=Limits(tokens=9_000),
    )
    with pytest.raises(LimitExceeded, match="tokens"):
        await agent.run("count the ships")
