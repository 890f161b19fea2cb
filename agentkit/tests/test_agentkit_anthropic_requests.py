"""What the Anthropic client sends: the bodies of its requests, as a server receives them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agentkit.errors import BadRequest
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    Reply,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.output import output_spec
from agentkit.testing import ChatServer
from agentkit.testing.anthropic_replies import message
from agentkit.testing.chat_server import Scripted
from agentkit.tools.builtin import calculator

KEY = "sk-ant-very-secret"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
THINKING: dict[str, Any] = {"type": "thinking", "thinking": "Multiply.", "signature": "c2lnbmVk"}
REDACTED: dict[str, Any] = {"type": "redacted_thinking", "data": "b3BhcXVl"}


@asynccontextmanager
async def talking(*script: Scripted) -> AsyncIterator[tuple[AnthropicClient, ChatServer]]:
    async with ChatServer(script) as server:
        client = AnthropicClient("claude-sonnet-5-5", KEY, server.root_url, retry=ONCE)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted, settings: ModelSettings = SETTINGS) -> Reply:
    async with talking(*script) as (client, _):
        return await client.complete(GOAL, [calculator.spec], settings=settings)


async def request_for(
    messages: tuple[Message, ...] = GOAL, settings: ModelSettings = SETTINGS, **asked: Any
) -> dict[str, Any]:
    """The body of the request that is sent."""
    async with talking(message("{}" if "output" in asked else "ok")) as (client, server):
        await client.complete(messages, settings=settings, **asked)
    return server.requests[0]


async def test_thinking_goes_back_where_it_stood() -> None:
    """Signed and encrypted thinking is sent back as it came, to the provider it came from."""
    thought = await ask(message("I multiply.", calls=[("now", {})], before=[THINKING, REDACTED]))
    foreign = Reasoning("Hm.", "openrouter", {"at": 0, "block": {"type": "thinking"}})
    kept = replace(thought.message, reasoning=(*thought.message.reasoning, foreign))
    sent_back = await request_for((*GOAL, kept, ToolMessage("id_1", "now", "12:00")))
    call = {"type": "tool_use", "id": "id_1", "name": "now", "input": {}}
    text = {"type": "text", "text": "I multiply."}
    assert [THINKING, REDACTED, text, call] == sent_back["messages"][1]["content"]


async def test_interleaved_thinking_keeps_its_place() -> None:
    """Thinking between two calls goes back between them."""
    blocks: list[dict[str, Any]] = [
        {"type": "tool_use", "id": "a", "name": "now", "input": {}},
        THINKING,
        {"type": "tool_use", "id": "b", "name": "now", "input": {}},
    ]
    thought = (await ask(message(before=blocks))).message
    sent_back = await request_for((*GOAL, thought, ToolMessage("a", "now", "1")))
    assert blocks == sent_back["messages"][1]["content"]


async def test_a_whole_conversation_on_the_wire() -> None:
    """Instructions apart, calls and results paired, results of one turn together."""
    calls = (ToolCall("a", "calculator", {"expression": "17*23"}), ToolCall("b", "now", {}))
    body = await request_for(
        (
            SystemMessage("Be brief."),
            *GOAL,
            AssistantMessage("", calls),
            ToolMessage("a", "calculator", "391"),
            ToolMessage("b", "now", "no clock", is_error=True),
            UserMessage("Well?"),
            AssistantMessage(""),
            SystemMessage("Be kind."),
        ),
        tools=[calculator.spec],
    )
    used = [
        {"type": "tool_use", "id": "a", "name": "calculator", "input": {"expression": "17*23"}},
        {"type": "tool_use", "id": "b", "name": "now", "input": {}},
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "a", "content": "391"},
        {"type": "tool_result", "tool_use_id": "b", "content": "no clock", "is_error": True},
        {"type": "text", "text": "Well?"},
    ]
    assert "Be brief.\n\nBe kind." == body["system"]
    assert [
        {"role": "user", "content": [{"type": "text", "text": "What is 17 * 23?"}]},
        {"role": "assistant", "content": used},
        {"role": "user", "content": results},
    ] == body["messages"]
    assert {"model", "max_tokens", "system", "messages", "tools"} == set(body)


async def test_ids_of_other_providers_are_made_fit() -> None:
    """An id that this API would refuse is changed, the same way in the call and its result."""
    call = AssistantMessage("", (ToolCall("functions.now:0", "now", {}),))
    body = await request_for((*GOAL, call, ToolMessage("functions.now:0", "now", "12:00")))
    assert "functions_now_0" == body["messages"][1]["content"][0]["id"]
    assert "functions_now_0" == body["messages"][2]["content"][0]["tool_use_id"]


async def test_tools_that_are_no_longer_offered_are_declared() -> None:
    """A conversation with calls declares them, and forbids new ones, when no tool is offered."""
    call = AssistantMessage("", (ToolCall("a", "now", {}), ToolCall("b", "now", {})))
    results = ToolMessage("a", "now", "1"), ToolMessage("b", "now", "1")
    body = await request_for((*GOAL, call, *results))
    assert [{"name": "now", "input_schema": {"type": "object"}}] == body["tools"]
    assert {"type": "none"} == body["tool_choice"]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
        (
            "calculator",
            False,
            {"type": "tool", "name": "calculator", "disable_parallel_tool_use": True},
        ),
    ],
)
async def test_tool_choice(
    choice: str, parallel: bool | None, expected: dict[str, Any] | None
) -> None:
    """Each way to choose, in the API's words."""
    settings = replace(SETTINGS, tool_choice=choice, parallel_tool_calls=parallel)
    body = await request_for(settings=settings, tools=[calculator.spec])
    assert expected == body.get("tool_choice")


async def test_settings_on_the_wire() -> None:
    """What Claude takes is sent under its own names; effort switches its thinking on."""
    settings = replace(SETTINGS, max_tokens=99, stop=("END",), reasoning_effort="high")
    body = await request_for(settings=settings)
    assert (99, ["END"]) == (body["max_tokens"], body["stop_sequences"])
    assert {"effort": "high"} == body["output_config"]
    assert {"type": "adaptive", "display": "summarized"} == body["thinking"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (ModelSettings(temperature=0.0), "temperature"),
        (ModelSettings(top_p=0.5), "top_p"),
        (ModelSettings(seed=1), "seed"),
        (ModelSettings(reasoning_effort="minimal"), "reasoning_effort 'minimal'"),
    ],
)
async def test_settings_that_claude_does_not_take(settings: ModelSettings, named: str) -> None:
    """They are refused before anything is sent, and named."""
    async with talking(message("ok")) as (client, server):
        with pytest.raises(BadRequest, match=f"takes no {named}"):
            await client.complete(GOAL, settings=settings)
    assert [] == server.requests


async def test_a_schema_without_types_is_refused() -> None:
    """What the API's subset cannot express is the caller's to change."""
    output = output_spec({"title": "anything", "not": {"type": "string"}})
    with pytest.raises(BadRequest, match="does not take the schema of anything"):
        await request_for(output=output)


async def test_attachments_on_the_wire() -> None:
    """Pictures by data or address, PDF as a document, text as text."""
    attachments = (
        ImagePart("image/png", data="aGk="),
        ImagePart("image/png", url="https://example.org/a.png"),
        FilePart("application/pdf", "aGk=", "a.pdf"),
        FilePart("text/csv", "aGk=", "a.csv"),
    )
    body = await request_for((UserMessage("See.", attachments),))
    base64 = {"type": "base64", "data": "aGk="}
    text = {"type": "text", "media_type": "text/plain", "data": "hi"}
    assert [
        {"type": "text", "text": "See."},
        {"type": "image", "source": {**base64, "media_type": "image/png"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {**base64, "media_type": "application/pdf"},
        },
        {"type": "document", "title": "a.csv", "source": text},
    ] == body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (FilePart("application/zip", "aGk=", "a.zip"), "a.zip is application/zip"),
        (FilePart("text/plain", "?!", "a.txt"), "not base64"),
    ],
)
async def test_attachments_that_claude_cannot_read(part: FilePart, named: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(BadRequest, match=named):
        await request_for((UserMessage("See.", (part,)),))


async def test_the_key_and_headers_travel() -> None:
    """The key is sent in its header, and nowhere else; headers of one's own go with it."""
    async with ChatServer([message("ok")]) as server:
        client = AnthropicClient("m", KEY, server.root_url, retry=ONCE, headers={"x-team": "a"})
        await client.complete(GOAL, settings=SETTINGS)
        await client.aclose()
    assert KEY in {*server.headers[0].values(), server.headers[0]["authorization"].split()[-1]}
    assert "a" == server.headers[0]["x-team"]
    assert KEY not in str(server.requests[0])


async def test_a_proxy_is_used() -> None:
    """Requests go to the proxy, which is told where to."""
    async with ChatServer([message("ok")]) as proxy:
        client = AnthropicClient(
            "m", KEY, "http://api.example.org", retry=ONCE, proxy=proxy.root_url
        )
        await client.complete(GOAL, settings=SETTINGS)
        await client.aclose()
    assert "api.example.org" == proxy.headers[0]["host"]
