"""The Anthropic client: the real SDK, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.errors import BadRequest, ModelMisbehaved, UsageError
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.messages import (
    AssistantMessage,
    Delta,
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    ReasoningDelta,
    Reply,
    SystemMessage,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    Usage,
    UserMessage,
)
from agentkit.output import output_spec
from agentkit.testing import ChatServer, Events, HttpReply
from agentkit.testing.anthropic_replies import message, message_events, named
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


async def streamed(events: tuple[str, ...]) -> list[Delta | Reply]:
    async with talking(Events(events)) as (client, _):
        return [item async for item in client.stream(GOAL, [calculator.spec], settings=SETTINGS)]


async def test_text() -> None:
    """A text is a reply that ends, with the tokens counted and the price looked up."""
    expected = Reply(
        AssistantMessage("391"),
        Usage(20, 10, Decimal("0.00014")),
        "end",
        "claude-sonnet-5-5",
    )
    assert expected == await ask(message("391"))


async def test_tool_calls() -> None:
    """Native calls arrive in order, with the thought before them, their ids and arguments."""
    calls = [("calculator", {"expression": "17*23"}), ("now", {})]
    reply = await ask(message("I multiply.", calls=calls))
    expected = (
        ToolCall("id_1", "calculator", {"expression": "17*23"}),
        ToolCall("id_2", "now", {}),
    )
    assert ("tool_calls", AssistantMessage("I multiply.", expected)) == (reply.stop, reply.message)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "refused"),
    ],
)
async def test_stop_reasons(reason: str, stop: str) -> None:
    """Each reason to stop has its meaning; only an ended turn is an answer."""
    assert stop == (await ask(message("39", stop_reason=reason))).stop


async def test_a_refusal_says_why() -> None:
    """What the provider explains takes the place of the text that is not there."""
    details = {"type": "refusal", "category": "bio", "explanation": "I will not."}
    reply = await ask(message(stop_reason="refusal", stop_details=details))
    assert ("refused", "I will not.") == (reply.stop, reply.message.text)


@pytest.mark.parametrize(
    "broken",
    [
        message("39", stop_reason=None),
        message("39", stop_reason="weird"),
        message(),
        message(calls=[("", {})]),
        HttpReply(200, b'{"type": "message"}'),
        HttpReply(200, b"[]"),
        HttpReply(200, b'{"content": "39"}'),
        HttpReply(200, b'{"content": [{"type": "text"}], "stop_reason": "end_turn"}'),
        HttpReply(200, b"not json"),
        HttpReply(200, b"<html>Hello</html>", {"content-type": "text/html"}),
    ],
)
async def test_what_is_no_message_is_an_error(broken: HttpReply) -> None:
    """A broken answer is never a silent success."""
    with pytest.raises(ModelMisbehaved):
        await ask(broken)


async def test_usage_counts_the_cache() -> None:
    """Input read from or written to the cache is input too, and has its own price."""
    usage = {
        "input_tokens": 20,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 100,
        "output_tokens": 10,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    reply = await ask(message("391", usage=usage))
    # 20 × $2 + 1000 × $0.10 + 100 × $2.50 + 10 × $10, for a million each
    assert Usage(1120, 10, Decimal("0.00049"), 1000, 4) == reply.usage


async def test_a_stream_adds_up_to_the_same_reply() -> None:
    """Deltas of thinking, text and calls, then the reply that the whole message would have been."""
    parts: dict[str, Any] = {
        "calls": [("calculator", {"expression": "17*23"}), ("now", {})],
        "before": [THINKING, REDACTED],
    }
    *deltas, reply = await streamed(message_events("I multiply.", **parts))
    assert await ask(message("I multiply.", **parts)) == reply
    assert [
        ReasoningDelta("Mult"),
        ReasoningDelta("iply."),
        TextDelta("I mul"),
        TextDelta("tiply."),
        ToolCallDelta(0, "id_1", "calculator"),
        ToolCallDelta(0, arguments='{"expressio'),
        ToolCallDelta(0, arguments='n": "17*23"}'),
        ToolCallDelta(1, "id_2", "now"),
        ToolCallDelta(1, arguments="{"),
        ToolCallDelta(1, arguments="}"),
    ] == deltas


async def test_malformed_arguments_are_kept_for_the_model() -> None:
    """Arguments that are cut in a stream do not fail the call: the model will be told."""
    events = message_events(calls=[("now", {"zone": "UTC"})])
    reply = (await streamed(tuple(event for event in events if "UTC" not in event)))[-1]
    assert isinstance(reply, Reply)
    assert (ToolCall("id_1", "now", {}, malformed='{"zone"'),) == reply.message.tool_calls


@pytest.mark.parametrize(
    "events",
    [
        message_events("391")[:-2],
        message_events("391", stop_reason=None),
        message_events("391", stop_reason="weird"),
        ("{oops\nevent: message_start",),
        (message_events("391")[2],),
        (),
    ],
)
async def test_a_stream_that_is_not_whole_is_an_error(events: tuple[str, ...]) -> None:
    """Cut before its end, without a reason to stop, or of another shape."""
    with pytest.raises(ModelMisbehaved):
        await streamed(events)


async def test_unknown_events_and_pings_are_passed_over() -> None:
    """What the API adds does not break a stream."""
    start, *others = message_events("391")
    new = named({"type": "news", "what": 1})
    reply = (await streamed((start, named({"type": "ping"}), new, *others)))[-1]
    assert isinstance(reply, Reply)
    assert "391" == reply.message.text


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


class Product(BaseModel):
    """What the answer must look like."""

    value: int
    unit: str = ""


async def test_structured_output() -> None:
    """The schema goes in the API's own mode and subset; the answer is held against the whole."""
    async with talking(message('{"value": 391}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product), settings=SETTINGS)
    assert {"value": 391, "unit": ""} == reply.structured
    asked = server.requests[0]["output_config"]["format"]
    assert ("json_schema", False) == (asked["type"], asked["schema"]["additionalProperties"])


async def test_structured_output_is_repaired_once() -> None:
    """What does not fit is shown to the model again; both requests are paid for."""
    async with talking(message('{"value": "?"}'), message('{"value": 1}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product), settings=SETTINGS)
    assert ({"value": 1, "unit": ""}, 40) == (reply.structured, reply.usage.input_tokens)
    assert "does not fit" in server.requests[1]["messages"][-1]["content"][0]["text"]


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


async def test_connections_are_reused() -> None:
    """Calls and streams in a row use one connection."""
    script: list[Scripted] = [message("391"), Events(message_events("391")), message("391")]
    async with talking(*script) as (client, server):
        await client.complete(GOAL, settings=SETTINGS)
        _ = [item async for item in client.stream(GOAL, settings=SETTINGS)]
        await client.complete(GOAL, settings=SETTINGS)
        assert (3, 1) == (len(server.requests), server.connections)


@pytest.mark.parametrize("closed_by", ["cancellation", "its consumer"])
async def test_leaving_a_stream_closes_the_socket(closed_by: str) -> None:
    """Whoever stops reading hangs up, so that the provider stops writing."""
    begun = asyncio.Event()
    async with talking(Events(message_events("391")[:3], then="stall")) as (client, server):

        async def read() -> None:
            async for _ in (items := client.stream(GOAL, settings=SETTINGS)):
                begun.set()
                if closed_by == "its consumer":
                    await items.aclose()
                    return

        reading = asyncio.create_task(read())
        await begun.wait()
        if closed_by == "cancellation":
            reading.cancel()
        await asyncio.wait([reading])
        await server.hung_up.wait()


async def test_the_sdk_makes_no_spans_of_its_own() -> None:
    """Two spans for one call would count its tokens twice."""
    client = AnthropicClient("m", KEY)
    assert not client._sdk.open_telemetry["traces"]["enabled"]
    await client.aclose()


def test_an_empty_key_is_refused() -> None:
    """An empty key is the caller's mistake, found before the first request."""
    with pytest.raises(UsageError, match="No API key for anthropic"):
        AnthropicClient("m", "")
