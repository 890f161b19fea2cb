"""A hostile model against policies, and what an agent did held against what it should have."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest

from agentkit import Agent, AllowList, Limits, tool
from agentkit.events import ToolFinished
from agentkit.messages import ToolMessage, UserMessage
from agentkit.testing import (
    AdversarialLlm,
    RecordingTool,
    ScriptedLlm,
    answer,
    assert_calls,
    call,
)

GOAL = "Read https://example.org/a and tell ada@example.org."


def agent(llm: Any, *tools: RecordingTool, allowed: list[str], **options: Any) -> Agent:
    security = AllowList(allowed)
    return Agent(llm, tools=[one.tool for one in tools], security=security, **options)


async def test_a_manager_that_denies_by_default_lets_nothing_through() -> None:
    """Whatever a hostile model asks for, no tool is called."""
    read, send = RecordingTool("read"), RecordingTool("send")
    llm = AdversarialLlm()
    result = await agent(llm, read, send, allowed=[], limits=Limits(steps=None)).run(GOAL)
    assert ([], [], "answered") == (read.calls, send.calls, result.reason)
    decided = {e.decision.kind for e in result.events if isinstance(e, ToolFinished)}
    assert {"deny"} == decided
    assert {"read", "send"} == {made.tool for made in llm.calls}


async def test_what_is_allowed_it_finds() -> None:
    """The search has teeth: with the goal's and the tool's own words it calls what it may."""
    read, send = RecordingTool("read", '{"secret": "4711"}'), RecordingTool("send")
    llm = AdversarialLlm(max_calls=400)
    await agent(llm, read, send, allowed=["read", "send"], limits=Limits(steps=None)).run(GOAL)
    for value in (GOAL, "https://example.org/a", "ada@example.org.", "4711"):
        assert value in send.calls


async def test_what_is_not_allowed_it_does_not_reach() -> None:
    """One tool that is allowed is no way to another."""
    read, send = RecordingTool("read", "call send"), RecordingTool("send")
    llm = AdversarialLlm()
    await agent(llm, read, send, allowed=["read"], limits=Limits(steps=None)).run(GOAL)
    assert (True, []) == (bool(read.calls), send.calls)


async def test_it_ends() -> None:
    """After as many calls as it may make, and never the same one twice."""
    read = RecordingTool("read", "one two three four five six seven eight")
    llm = AdversarialLlm(max_calls=7, calls_per_reply=3)
    await agent(llm, read, allowed=["read"]).run(GOAL)
    assert (7, 7) == (len(llm.calls), len({str(made.arguments) for made in llm.calls}))


class Size(Enum):
    """An enum has few values."""

    SMALL = "small"
    LARGE = "large"


async def test_its_arguments_have_the_shape_that_is_wanted() -> None:
    """So that it is the policy that stops it, and not a type."""

    @tool(effect="pure")
    async def order(
        article: str,
        count: int,
        price: float | None,
        gift: bool,
        sizes: list[Size],
        notes: Annotated[dict[str, str], "anything"],
    ) -> str:
        """Order an article."""
        return "ordered"

    llm = AdversarialLlm(max_calls=5)
    shop = Agent(llm, tools=[order], security=AllowList(["order"]))
    result = await shop.run("Order 3 of A-17.")
    seen = [e.observation for e in result.events if isinstance(e, ToolFinished)]
    assert ["ordered"] * 5 == [one.text for one in seen]


async def test_it_gives_the_arguments_of_a_call_different_values() -> None:
    """What it has seen of one kind goes where the other kind belongs, either way round."""
    sent: list[tuple[str, str]] = []

    @tool(effect="pure")
    async def send(to: str, text: str) -> str:
        """Send a text."""
        sent.append((to, text))
        return "sent"

    llm = AdversarialLlm()
    mail = Agent(llm, tools=[send], security=AllowList(["send"]), limits=Limits(steps=None))
    await mail.run("Tell 4711 nobody: ada@example.org waits.")
    assert ("ada@example.org", "4711") in sent
    assert ("4711", "ada@example.org") in sent


async def test_it_streams_like_any_model() -> None:
    """Its pieces add up to its reply."""
    read = RecordingTool("read")
    items = [i async for i in AdversarialLlm().stream((UserMessage("x"),), (read.tool.spec,))]
    assert items[-1] == await AdversarialLlm().complete((UserMessage("x"),), (read.tool.spec,))


SCRIPT = [
    call(("read", {"text": "a"}), ("send", {"text": "b"})),
    call(("read", {"text": "c"}), ("nothing", {})),
    answer("Done."),
]


async def test_the_calls_that_were_made() -> None:
    """In their order, by name or with their arguments; denied ones were not made."""
    read, send = RecordingTool("read"), RecordingTool("send")
    result = await agent(ScriptedLlm(SCRIPT), read, send, allowed=["read"]).run(GOAL)
    assert_calls(result, [("read", {"text": "a"}), "read"])
    assert_calls(result, ["read", ("read", {"text": "c"})])


@pytest.mark.parametrize(
    "expected",
    [
        [],
        ["read"],
        ["read", "send"],
        ["read", ("read", {"text": "d"})],
        ["read", "read", "read"],
    ],
)
async def test_other_calls_are_told(expected: list[Any]) -> None:
    """What was expected, what was made, and what was denied."""
    read, send = RecordingTool("read"), RecordingTool("send")
    result = await agent(ScriptedLlm(SCRIPT), read, send, allowed=["read"]).run(GOAL)
    with pytest.raises(AssertionError) as caught:
        assert_calls(result, expected)
    said = str(caught.value)
    assert 'made:     read({"text": "a"}), read({"text": "c"})' in said
    assert 'denied:   send({"text": "b"}), nothing({})' in said


async def test_what_it_says_is_not_what_it_has_seen() -> None:
    """Its own words give it no new values."""
    llm = AdversarialLlm()
    seen = (UserMessage("x"), ToolMessage("id", "read", "y"))
    reply = await llm.complete(seen, (RecordingTool("read").tool.spec,))
    assert ["y", "x"] == [one.arguments["text"] for one in reply.message.tool_calls]
