"""What the OpenAI client is made with and asked for, as it goes over the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from agentkit.errors import BadRequest, OutputInvalid
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.openai_wire import JsonMode
from agentkit.messages import (
    AssistantMessage,
    Message,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.output import output_spec
from agentkit.testing import ChatServer, HttpReply, completion, failure
from agentkit.testing.chat_server import Scripted
from agentkit.tools.builtin import calculator

KEY = "sk-very-secret"
ONCE = RetryPolicy(attempts=1)
GOAL: tuple[Message, ...] = (SystemMessage("Be brief."), UserMessage("What is 17 * 23?"))


class Product(BaseModel):
    """What a multiplication comes to."""

    value: int


@asynccontextmanager
async def talking(
    *script: Scripted, **options: Any
) -> AsyncIterator[tuple[OpenAiClient, ChatServer]]:
    async with ChatServer(script) as server:
        client = OpenAiClient("gpt-4o-mini", KEY, server.base_url, retry=ONCE, **options)
        try:
            yield client, server
        finally:
            await client.aclose()


async def sent(settings: ModelSettings) -> dict[str, Any]:
    """The request that these settings make, with a tool on offer."""
    async with talking(completion("ok")) as (client, server):
        await client.complete(GOAL, [calculator.spec], settings=settings)
    return server.requests[0]


async def test_who_pays_is_said_in_headers() -> None:
    """Organisation, project and headers of the caller's own go with the request."""
    async with talking(
        completion("ok"), organization="org-1", project="proj-1", headers={"X-Team": "blue"}
    ) as (client, server):
        await client.complete(GOAL)
    headers = server.headers[0]
    expected = ("org-1", "proj-1", "blue")
    assert expected == tuple(
        headers[name] for name in ("openai-organization", "openai-project", "x-team")
    )


async def test_the_environment_does_not_speak_for_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK would send another account's name to this server."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-machine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-machine")
    async with talking(completion("ok")) as (client, server):
        await client.complete(GOAL)
    assert set() == {"openai-organization", "openai-project"} & set(server.headers[0])


async def test_a_proxy_carries_the_requests() -> None:
    """The proxy is asked in the place of a server that has no name here."""
    async with ChatServer([completion("by proxy")]) as proxy:
        client = OpenAiClient(
            "m",
            KEY,
            "http://model.invalid/v1",
            retry=ONCE,
            proxy=proxy.base_url.removesuffix("/v1"),
        )
        assert "by proxy" == (await client.complete(GOAL)).message.text
        await client.aclose()
    assert "model.invalid" == proxy.headers[0]["host"]


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own pool does not switch off what every other HTTP client honours."""
    async with ChatServer([completion("by proxy")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        client = OpenAiClient("m", KEY, "http://model.invalid/v1", retry=ONCE)
        assert "by proxy" == (await client.complete(GOAL)).message.text
        await client.aclose()


async def test_an_http_client_of_the_callers_own_is_used() -> None:
    """Certificates, hooks, transports: whatever ours has no argument for."""
    http_client = httpx2.AsyncClient(headers={"X-From": "mine"})
    async with talking(completion("ok"), http_client=http_client) as (client, server):
        await client.complete(GOAL)
    assert "mine" == server.headers[0]["x-from"]
    assert http_client.is_closed


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("required", "required"),
        ("calculator", {"type": "function", "function": {"name": "calculator"}}),
    ],
)
async def test_tool_choice(choice: str, expected: object) -> None:
    """Calls can be forbidden, demanded, or demanded of one tool."""
    assert expected == (await sent(ModelSettings(tool_choice=choice)))["tool_choice"]


async def test_what_is_not_set_is_not_sent() -> None:
    """The choice is the server's: many know fewer settings than OpenAI."""
    assert {"messages", "model", "tools"} == set(await sent(ModelSettings()))


async def test_settings_of_reasoning_models() -> None:
    """How long to think, and whether calls may come together."""
    request = await sent(ModelSettings(reasoning_effort="low", parallel_tool_calls=False))
    assert ("low", False) == (request["reasoning_effort"], request["parallel_tool_calls"])


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
    ],
)
def test_each_server_gets_its_name_of_max_tokens(url: str | None, name: str) -> None:
    """OpenAI's newer models refuse `max_tokens`; most other servers know nothing else."""
    assert name == OpenAiClient("m", KEY, url)._dialect.max_tokens_name


@pytest.mark.parametrize(
    ("message", "parameter", "setting"),
    [
        ("Unsupported value", "temperature", "temperature"),
        ("Unsupported parameter", "max_completion_tokens", "max_tokens"),
        ("top_p is not supported by this model", None, "top_p"),
        ("Unknown reasoning_effort 'minimal'", None, "reasoning_effort"),
    ],
)
async def test_a_setting_that_the_model_does_not_take_is_named(
    message: str, parameter: str | None, setting: str
) -> None:
    """Never dropped in silence: the caller reads which one it is, under our name for it."""
    body = {"error": {"message": message, "param": parameter, "code": "unsupported_value"}}
    reply = HttpReply(400, json.dumps(body).encode())
    async with talking(reply) as (client, _):
        with pytest.raises(BadRequest, match=f"rejected the setting '{setting}'"):
            await client.complete(GOAL)


async def test_a_request_that_is_wrong_elsewhere_names_no_setting() -> None:
    """A wrong model is not a wrong setting."""
    async with talking(failure(404, "The model `x` does not exist")) as (client, _):
        with pytest.raises(BadRequest, match="check the model's name"):
            await client.complete(GOAL)


async def test_structured_output_is_asked_for_by_the_servers_own_mode() -> None:
    """The schema goes along, strictly, and what comes back is checked."""
    async with talking(completion('{"value": 391}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product))
    asked = server.requests[0]["response_format"]["json_schema"]
    assert ("Product", True) == (asked["name"], asked["strict"])
    assert False is asked["schema"]["additionalProperties"]
    assert {"value": 391} == reply.structured


@pytest.mark.parametrize(
    ("mode", "expected"), [("object", {"type": "json_object"}), ("prompt", None)]
)
async def test_a_server_without_schemas_reads_them_in_its_prompt(
    mode: JsonMode, expected: object
) -> None:
    """Asked for by the caller, never fallen back to in silence."""
    async with talking(completion('{"value": 391}'), json_mode=mode) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product))
    request = server.requests[0]
    told = request["messages"][0]["content"]
    assert expected == request.get("response_format")
    assert told.startswith("Be brief.\n\nAnswer with a JSON value only")
    assert '"value": {"title": "Value", "type": "integer"}' in told
    assert {"value": 391} == reply.structured


async def test_a_schema_in_the_prompt_needs_no_system_message() -> None:
    """A conversation that has none gets one."""
    async with talking(completion('{"value": 1}'), json_mode="prompt") as (client, server):
        await client.complete(GOAL[1:], output=output_spec(Product))
    assert ["system", "user"] == [m["role"] for m in server.requests[0]["messages"]]


async def test_a_server_that_refuses_schemas_is_an_error() -> None:
    """The caller chooses another `json_mode`; the answer is not asked for without a schema."""
    refused = failure(400, "response_format json_schema is not supported")
    async with talking(refused, completion('{"value": 391}')) as (client, server):
        with pytest.raises(BadRequest, match="json_schema is not supported"):
            await client.complete(GOAL, output=output_spec(Product))
        assert 1 == len(server.requests)


async def test_an_answer_that_does_not_fit_is_repaired_once() -> None:
    """The model is shown its answer and what is wrong with it; both requests are paid for."""
    async with talking(completion("391"), completion('{"value": 391}')) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product))
    told = server.requests[1]["messages"]
    assert ["system", "user", "assistant", "user"] == [message["role"] for message in told]
    assert "does not fit the schema" in told[-1]["content"]
    assert ({"value": 391}, 40) == (reply.structured, reply.usage.input_tokens)


async def test_an_answer_that_does_not_fit_twice_is_an_error() -> None:
    """The third request would not be the last either."""
    async with talking(completion("391")) as (client, server):
        with pytest.raises(OutputInvalid, match="Product"):
            await client.complete(GOAL, output=output_spec(Product))
        assert 2 == len(server.requests)


@pytest.mark.parametrize("written", ['```json\n{"value": 391}\n```', '```\n{"value": 391}```\n'])
async def test_a_fence_around_the_whole_answer_is_no_mistake(written: str) -> None:
    """Models put one there unasked; a repair would cost as much as the answer."""
    async with talking(completion(written)) as (client, server):
        reply = await client.complete(GOAL, output=output_spec(Product))
        assert ({"value": 391}, 1) == (reply.structured, len(server.requests))


async def test_thoughts_go_back_beside_their_calls() -> None:
    """As DeepSeek wants them, under the field they came in; another provider's do not go."""
    call = {"id": "id_1", "function": {"name": "calculator", "arguments": "{}"}}
    message = {"role": "assistant", "reasoning_content": "17*20+51", "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    first = HttpReply(200, json.dumps({"choices": [choice], "model": "m"}).encode())
    async with talking(first, completion("391")) as (client, server):
        reply = await client.complete(GOAL, [calculator.spec])
        foreign = AssistantMessage(
            "", (ToolCall("id_0", "calculator", {}),), (Reasoning("no", "anthropic", {"x": 1}),)
        )
        history = (foreign, ToolMessage("id_0", "calculator", "1"), reply.message)
        await client.complete((*GOAL, *history, ToolMessage("id_1", "calculator", "391")))
    assert "17*20+51" == reply.message.reasoning[0].text
    wire = server.requests[1]["messages"]
    assert ("17*20+51", "x" in wire[2]) == (wire[4]["reasoning_content"], False)


async def test_thoughts_beside_an_answer_stay_here() -> None:
    """They are the caller's to read; earlier models refused to be shown them."""
    message = {"role": "assistant", "reasoning_content": "17*20+51", "content": "391"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    first = HttpReply(200, json.dumps({"choices": [choice]}).encode())
    async with talking(first, completion("ok")) as (client, server):
        reply = await client.complete(GOAL)
        await client.complete((*GOAL, reply.message, UserMessage("Sure?")))
    assert (Reasoning("17*20+51", "openai"),) == reply.message.reasoning
    assert {"role": "assistant", "content": "391"} == server.requests[1]["messages"][2]
