"""What the Google client sends: the bodies of its requests, as a server receives them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from agentkit.errors import BadRequest
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.google import GoogleClient
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
from agentkit.testing.chat_server import Scripted
from agentkit.testing.google_replies import response
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
    assert not client._sdk.vertexai
    assert KEY == server.headers[0]["x-goog-api-key"]
