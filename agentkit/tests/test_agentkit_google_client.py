"""The Google client: the real SDK's async client, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
import base64
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.errors import ModelMisbehaved, Refused, UsageError
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.google import GoogleClient
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCallDelta,
    Usage,
    UserMessage,
)
from agentkit.output import output_spec
from agentkit.testing import ChatServer, Events, HttpReply
from agentkit.testing.chat_server import Scripted
from agentkit.testing.google_replies import response, response_chunks
from agentkit.tools.builtin import calculator

KEY = "AIza-very-secret"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
SIGNED = base64.b64encode(b"signed").decode()
THOUGHT: dict[str, Any] = {"text": "Multiply.", "thought": True}
SIGNED_CALL: dict[str, Any] = {
    "functionCall": {"id": "id_1", "name": "now", "args": {}},
    "thoughtSignature": SIGNED,
}
NOT_OURS = base64.b64encode(b"skip_thought_signature_validator").decode()


@asynccontextmanager
async def talking(
    *script: Scripted, model: str = "gemini-2.5-flash"
) -> AsyncIterator[tuple[GoogleClient, ChatServer]]:
    async with ChatServer(script) as server:
        client = GoogleClient(model, KEY, server.root_url, "google", ONCE)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted, settings: ModelSettings = SETTINGS) -> Reply:
    async with talking(*script) as (client, _):
        return await client.complete(GOAL, [calculator.spec], settings=settings)


async def streamed(chunks: tuple[str, ...]) -> list[Delta | Reply]:
    async with talking(Events(chunks)) as (client, _):
        return [item async for item in client.stream(GOAL, [calculator.spec], settings=SETTINGS)]


async def test_text() -> None:
    """A text is a reply that ends, with the tokens counted and the price looked up."""
    usage = Usage(20, 10, Decimal("0.000031"))
    expected = Reply(AssistantMessage("391"), usage, "end", "gemini-2.5-flash")
    assert expected == await ask(response("391"))


async def test_tool_calls() -> None:
    """Native calls arrive in order, with arguments, and with ids where the API gives none."""
    calls = [("calculator", {"expression": "17*23"}), ("now", {})]
    reply = await ask(response("I multiply.", calls=calls))
    first, second = reply.message.tool_calls
    assert ("tool_calls", "I multiply.") == (reply.stop, reply.message.text)
    assert ("calculator", {"expression": "17*23"}) == (first.tool, first.arguments)
    assert ("now", {}) == (second.tool, second.arguments)
    assert 2 == len({first.id, second.id} - {""})


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "refused"),
        ("RECITATION", "refused"),
        ("PROHIBITED_CONTENT", "refused"),
        ("SPII", "refused"),
    ],
)
async def test_finish_reasons(reason: str, stop: str) -> None:
    """Each reason to finish has its meaning; only a stop is an answer."""
    assert stop == (await ask(response("39", finish_reason=reason))).stop


async def test_an_answer_is_not_continued_behind_our_back() -> None:
    """One call is one request, also when the API offers to go on; what there is counts as cut."""
    candidate = {
        "content": {"role": "model", "parts": [{"text": "39"}]},
        "finishReason": "CONTINUATION",
        "continuationToken": SIGNED,
    }
    async with talking(response(candidates=[candidate])) as (client, server):
        assert "length" == (await client.complete(GOAL, settings=SETTINGS)).stop
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "broken",
    [
        response("39", finish_reason=None),
        response("39", finish_reason="MALFORMED_FUNCTION_CALL"),
        response("39", finish_reason="OTHER"),
        response(""),
        response(),
        response(calls=[("", {})]),
        HttpReply(200, b'{"candidates": []}'),
        HttpReply(200, b"{}"),
        HttpReply(200, b'"39"'),
        HttpReply(200, b"[]"),
        HttpReply(200, b'{"candidates": 39}'),
        HttpReply(200, b'{"candidates": [39]}'),
        HttpReply(200, b'{"candidates": [{"content": "39", "finishReason": "STOP"}]}'),
        HttpReply(200, b"not json"),
        HttpReply(200, b"<html>Hello</html>", {"content-type": "text/html"}),
        HttpReply(200, b""),
    ],
)
async def test_what_is_no_response_is_an_error(broken: HttpReply) -> None:
    """A broken answer is never a silent success."""
    with pytest.raises(ModelMisbehaved):
        await ask(broken)


async def test_an_unknown_finish_reason_is_an_error() -> None:
    """One that this SDK does not know is no reason; the SDK warns of it."""
    with pytest.warns(UserWarning, match="WEIRD"), pytest.raises(ModelMisbehaved, match="WEIRD"):
        await ask(response("39", finish_reason="WEIRD"))


async def test_a_blocked_prompt_is_refused() -> None:
    """The policy refused the request itself: there is no candidate, and no use in trying again."""
    feedback = {"blockReason": "PROHIBITED_CONTENT"}
    with pytest.raises(Refused, match="PROHIBITED_CONTENT"):
        await ask(response(candidates=[], promptFeedback=feedback))


async def test_usage_counts_thoughts_and_the_cache() -> None:
    """Thoughts are output and cached tokens are input, each told apart as well."""
    usage = {
        "promptTokenCount": 1020,
        "cachedContentTokenCount": 1000,
        "candidatesTokenCount": 6,
        "thoughtsTokenCount": 4,
        "toolUsePromptTokenCount": 5,
    }
    reply = await ask(response("391", usageMetadata=usage))
    # 25 × $0.30 + 1000 × $0.03 + 10 × $2.50 for a million each
    assert Usage(1025, 10, Decimal("0.0000625"), 1000, 4) == reply.usage


async def test_a_stream_adds_up_to_the_same_reply() -> None:
    """Deltas of thoughts, text and calls, then the reply that the whole response would have been."""
    parts = [THOUGHT, SIGNED_CALL]
    *deltas, reply = await streamed(response_chunks("I look.", before=parts))
    assert await ask(response("I look.", before=parts)) == reply
    assert [
        ReasoningDelta("Mult"),
        ReasoningDelta("iply."),
        ToolCallDelta(0, "id_1", "now", "{}"),
        TextDelta("I l"),
        TextDelta("ook."),
    ] == deltas


async def test_ids_made_for_a_stream_are_those_of_its_reply() -> None:
    """A listener can pair what it saw with the calls of the reply."""
    items = await streamed(response_chunks(calls=[("now", {}), ("now", {})]))
    reply = items[-1]
    assert isinstance(reply, Reply)
    seen = [(one.index, one.id) for one in items if isinstance(one, ToolCallDelta)]
    assert [(0, reply.message.tool_calls[0].id), (1, reply.message.tool_calls[1].id)] == seen


@pytest.mark.parametrize(
    "chunks",
    [
        response_chunks("391")[:-1],
        response_chunks("391", finish_reason=None),
        response_chunks("391", finish_reason="OTHER"),
        ("{oops",),
        ("39",),
        ('{"candidates": 39}',),
        (),
    ],
)
async def test_a_stream_that_is_not_whole_is_an_error(chunks: tuple[str, ...]) -> None:
    """Cut before its end, without a reason to finish, or of another shape."""
    with pytest.raises(ModelMisbehaved):
        await streamed(chunks)


class Product(BaseModel):
    """What the answer must look like."""

    value: int
    unit: str = ""


async def test_structured_output() -> None:
    """The schema goes in the API's own mode, and the answer is held against it."""
    async with talking(response('{"value": 391}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product), settings=SETTINGS)
    assert {"value": 391, "unit": ""} == reply.structured
    config = server.requests[0]["generationConfig"]
    assert "application/json" == config["responseMimeType"]
    assert output_spec(Product).schema == config["responseJsonSchema"]


async def test_structured_output_is_repaired_once() -> None:
    """What does not fit is shown to the model again; both requests are paid for."""
    async with talking(response('{"value": "?"}'), response('{"value": 1}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product), settings=SETTINGS)
    assert ({"value": 1, "unit": ""}, 40) == (reply.structured, reply.usage.input_tokens)
    assert "does not fit" in server.requests[1]["contents"][-1]["parts"][0]["text"]


async def test_connections_are_reused_in_this_thread() -> None:
    """Calls and streams in a row use one connection, and no thread of the SDK's."""
    before = threading.active_count()
    script: list[Scripted] = [response("391"), Events(response_chunks("391")), response("391")]
    async with talking(*script) as (client, server):
        await client.complete(GOAL, settings=SETTINGS)
        _ = [item async for item in client.stream(GOAL, settings=SETTINGS)]
        await client.complete(GOAL, settings=SETTINGS)
        assert (3, 1) == (len(server.requests), server.connections)
        assert before == threading.active_count()


@pytest.mark.parametrize("closed_by", ["cancellation", "its consumer"])
async def test_leaving_a_stream_closes_the_socket(closed_by: str) -> None:
    """Whoever stops reading hangs up, so that the provider stops writing."""
    begun = asyncio.Event()
    async with talking(Events(response_chunks("391")[:1], then="stall")) as (client, server):

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


def test_an_empty_key_is_refused() -> None:
    """An empty key is the caller's mistake, found before the first request."""
    with pytest.raises(UsageError, match="No API key for google"):
        GoogleClient("m", "")


def test_a_key_that_no_header_takes_is_refused() -> None:
    """One that was read from a file ends with its line; as a failed request it would be tried again."""
    with pytest.raises(UsageError, match="strip what was read from a file") as raised:
        GoogleClient("m", "sk-secret\n")
    assert "sk-secret" not in str(raised.value)


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, making the client says what to install."""
    # `from google import genai` finds what the package remembers.
    monkeypatch.delattr("google.genai", raising=False)
    monkeypatch.setitem(sys.modules, "google.genai", None)
    with pytest.raises(UsageError, match=r"pip install 'agentkit\[google\]'"):
        GoogleClient("m", "key")
