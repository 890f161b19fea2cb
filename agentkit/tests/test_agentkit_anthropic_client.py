"""The Anthropic client: the real SDK, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.errors import ModelMisbehaved, UsageError
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
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
        client = AnthropicClient("claude-sonnet-5-5", KEY, server.root_url, "anthropic", ONCE)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted, settings: ModelSettings = SETTINGS) -> Reply:
    async with talking(*script) as (client, _):
        return await client.complete(GOAL, [calculator.spec], settings=settings)


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


def test_a_key_that_no_header_takes_is_refused() -> None:
    """One that was read from a file ends with its line; as a failed request it would be tried again."""
    with pytest.raises(UsageError, match="strip what was read from a file") as raised:
        AnthropicClient("m", "sk-secret\n")
    assert "sk-secret" not in str(raised.value)


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, making the client says what to install."""
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(UsageError, match=r"pip install 'agentkit\[anthropic\]'"):
        AnthropicClient("m", "key")
