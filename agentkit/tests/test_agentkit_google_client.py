"""The Google client: the real SDK's async client, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.errors import BadRequest, ModelMisbehaved, Refused, UsageError
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.google import GoogleClient
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
        client = GoogleClient(model, KEY, server.root_url, retry=ONCE)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted, settings: ModelSettings = SETTINGS) -> Reply:
    async with talking(*script) as (client, _):
        return await client.complete(GOAL, [calculator.spec], settings=settings)


async def request_for(
    messages: tuple[Message, ...] = GOAL,
    settings: ModelSettings = SETTINGS,
    model: str = "gemini-2.5-flash",
    **asked: Any,
) -> dict[str, Any]:
    """The body of the request that is sent."""
    answer = response("{}" if "output" in asked else "ok")
    async with talking(answer, model=model) as (client, server):
        await client.complete(messages, settings=settings, **asked)
    return server.requests[0]


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
    """Each reason to finish has its meaning; only a stop is an answer, and one request is made."""
    async with talking(response("39", finish_reason=reason)) as (client, server):
        assert stop == (await client.complete(GOAL, settings=SETTINGS)).stop
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


async def test_signatures_go_back_where_they_were() -> None:
    """Signed thoughts, texts and calls are sent back as they came; unsigned thoughts are not."""
    signed_thought = {**THOUGHT, "thoughtSignature": SIGNED}
    signed_text = {"text": "I look.", "thoughtSignature": SIGNED}
    parts = [THOUGHT, signed_thought, signed_text, SIGNED_CALL]
    thought = (await ask(response(before=parts))).message
    foreign = Reasoning("Hm.", "openrouter", {"on": "text", "thought_signature": "eA=="})
    kept = replace(thought, reasoning=(*thought.reasoning, foreign))
    body = await request_for((*GOAL, kept, ToolMessage("id_1", "now", "12:00")))
    assert [signed_thought, signed_text, SIGNED_CALL] == body["contents"][1]["parts"]


async def test_calls_of_other_models_are_marked() -> None:
    """Calls that another provider's model made carry what newer models want in place of a signature."""
    calls = AssistantMessage("", (ToolCall("a", "now", {}), ToolCall("b", "now", {})))
    results = ToolMessage("a", "now", "1"), ToolMessage("b", "now", "1")
    body = await request_for((*GOAL, calls, *results))
    signatures = [part.get("thoughtSignature") for part in body["contents"][1]["parts"]]
    assert [NOT_OURS, None] == signatures


async def test_a_whole_conversation_on_the_wire() -> None:
    """Instructions apart, calls and results paired, results of one turn together."""
    calls = (ToolCall("a", "calculator", {"expression": "17*23"}), ToolCall("b", "now", {}))
    body = await request_for(
        (
            SystemMessage("Be brief."),
            *GOAL,
            AssistantMessage("", calls, (Reasoning("Hm.", "google"),)),
            ToolMessage("a", "calculator", "391"),
            ToolMessage("b", "now", "no clock", is_error=True),
            UserMessage("Well?"),
            AssistantMessage(""),
            SystemMessage("Be kind."),
        ),
        tools=[calculator.spec],
    )
    made = [
        {"functionCall": {"id": "a", "name": "calculator", "args": {"expression": "17*23"}}},
        {"functionCall": {"id": "b", "name": "now", "args": {}}},
    ]
    output = {"id": "a", "name": "calculator", "response": {"output": "391"}}
    error = {"id": "b", "name": "now", "response": {"error": "no clock"}}
    assert "Be brief.\n\nBe kind." == body["systemInstruction"]["parts"][0]["text"]
    assert [
        {"role": "user", "parts": [{"text": "What is 17 * 23?"}]},
        {"role": "model", "parts": made},
        {
            "role": "user",
            "parts": [{"functionResponse": output}, {"functionResponse": error}, {"text": "Well?"}],
        },
    ] == body["contents"]
    declared = body["tools"][0]["functionDeclarations"][0]
    assert ("calculator", calculator.spec.parameters) == (
        declared["name"],
        declared["parameters_json_schema"],
    )


async def test_instructions_alone_are_refused() -> None:
    """The API wants something to answer to; it is not asked without."""
    with pytest.raises(BadRequest, match="something to answer"):
        await request_for((SystemMessage("Be brief."),))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("calculator", {"mode": "ANY", "allowedFunctionNames": ["calculator"]}),
    ],
)
async def test_tool_choice(choice: str, expected: dict[str, Any] | None) -> None:
    """Each way to choose, in the API's words."""
    settings = replace(SETTINGS, tool_choice=choice, parallel_tool_calls=True)
    body = await request_for(settings=settings, tools=[calculator.spec])
    assert expected == body.get("toolConfig", {}).get("functionCallingConfig")


async def test_settings_on_the_wire() -> None:
    """Each setting is sent under the API's own name."""
    settings = ModelSettings(0.5, 0.9, 99, 7, stop=("END",), reasoning_effort="low", timeout_s=5)
    assert {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 99,
        "seed": 7,
        "stopSequences": ["END"],
        "thinkingConfig": {"include_thoughts": True, "thinking_level": "LOW"},
    } == (await request_for(settings=settings))["generationConfig"]


async def test_one_call_at_a_time_cannot_be_had() -> None:
    """A setting the API has no place for is refused before anything is sent, and named."""
    with pytest.raises(BadRequest, match="parallel_tool_calls=False"):
        await request_for(settings=replace(SETTINGS, parallel_tool_calls=False))


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


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.0-flash"])
async def test_structured_output_beside_tools_is_asked_in_words(model: str) -> None:
    """Models that take no schema beside tools are told of it in the instructions."""
    body = await request_for(
        model=model, tools=[calculator.spec], output=output_spec({"type": "object"})
    )
    assert {} == body["generationConfig"]
    assert '{"type": "object"}' in body["systemInstruction"]["parts"][0]["text"]


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "my-tuned-model"])
async def test_newer_models_take_a_schema_beside_tools(model: str) -> None:
    """They get it in the API's own mode."""
    body = await request_for(
        model=model, tools=[calculator.spec], output=output_spec({"type": "object"})
    )
    assert {"type": "object"} == body["generationConfig"]["responseJsonSchema"]
    assert "systemInstruction" not in body


async def test_structured_output_is_repaired_once() -> None:
    """What does not fit is shown to the model again; both requests are paid for."""
    async with talking(response('{"value": "?"}'), response('{"value": 1}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product), settings=SETTINGS)
    assert ({"value": 1, "unit": ""}, 40) == (reply.structured, reply.usage.input_tokens)
    assert "does not fit" in server.requests[1]["contents"][-1]["parts"][0]["text"]


async def test_attachments_on_the_wire() -> None:
    """Pictures by data or address, documents by data."""
    attachments = (
        ImagePart("image/png", data="aGk="),
        ImagePart("image/png", url="https://example.org/a.png"),
        FilePart("application/pdf", "aGk=", "a.pdf"),
    )
    body = await request_for((UserMessage("See.", attachments),))
    assert [
        {"text": "See."},
        {"inlineData": {"data": "aGk=", "mime_type": "image/png"}},
        {"fileData": {"file_uri": "https://example.org/a.png", "mime_type": "image/png"}},
        {"inlineData": {"data": "aGk=", "mime_type": "application/pdf"}},
    ] == body["contents"][0]["parts"]


async def test_the_key_and_headers_travel() -> None:
    """The key is sent in its header, and nowhere else; headers of one's own go with it."""
    async with ChatServer([response("ok")]) as server:
        client = GoogleClient("m", KEY, server.root_url, retry=ONCE, headers={"x-team": "a"})
        await client.complete(GOAL, settings=SETTINGS)
        await client.aclose()
    assert (KEY, "a") == (server.headers[0]["x-goog-api-key"], server.headers[0]["x-team"])
    assert KEY not in str(server.requests[0])


async def test_a_proxy_is_used() -> None:
    """Requests go to the proxy, which is told where to."""
    async with ChatServer([response("ok")]) as proxy:
        client = GoogleClient("m", KEY, "http://api.example.org", retry=ONCE, proxy=proxy.root_url)
        await client.complete(GOAL, settings=SETTINGS)
        await client.aclose()
    assert "api.example.org" == proxy.headers[0]["host"]


async def test_the_environment_does_not_redirect_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the SDK would read from the environment changes nothing."""
    for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    async with talking(response("391")) as (client, server):
        assert "391" == (await client.complete(GOAL, settings=SETTINGS)).message.text
    assert KEY == server.headers[0]["x-goog-api-key"]


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
