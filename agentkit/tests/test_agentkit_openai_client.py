"""The OpenAI client: the real SDK, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.openai import OpenAiClient
from agentkit.messages import (
    AssistantMessage,
    Message,
    Reply,
    SystemMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from agentkit.testing import ChatServer, HttpReply, Stall, completion
from agentkit.testing.chat_server import Scripted
from agentkit.tools.builtin import calculator

KEY = "sk-very-secret"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)


@asynccontextmanager
async def talking(
    *script: Scripted, retry: RetryPolicy = ONCE, name: str = "openai"
) -> AsyncIterator[tuple[OpenAiClient, ChatServer]]:
    async with ChatServer(script) as server:
        client = OpenAiClient("gpt-4o-mini", KEY, server.base_url, name, retry)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted, retry: RetryPolicy = ONCE, name: str = "openai") -> Reply:
    async with talking(*script, retry=retry, name=name) as (client, _):
        return await client.complete(GOAL, [calculator.spec], settings=SETTINGS)


async def test_text() -> None:
    """A text is a reply that ends, with the tokens counted and the price looked up."""
    usage = Usage(20, 10, Decimal("0.000009"))
    expected = Reply(AssistantMessage("391"), usage, "end", "gpt-4o-mini-2024-07-18")
    assert expected == await ask(completion("391"))


async def test_tool_call() -> None:
    """A native tool call arrives with its thought, its id and parsed arguments."""
    reply = await ask(completion("I multiply.", calls=[("calculator", '{"expression": "17*23"}')]))
    call = ToolCall("id_1", "calculator", {"expression": "17*23"})
    assert AssistantMessage("I multiply.", (call,)) == reply.message
    assert "tool_calls" == reply.stop


async def test_parallel_tool_calls() -> None:
    """Several calls in one reply keep their order."""
    reply = await ask(completion(calls=[("a", "{}"), ("b", "{}"), ("c", "{}")]))
    assert ["a", "b", "c"] == [call.tool for call in reply.message.tool_calls]


async def test_calls_of_the_same_id_are_told_apart() -> None:
    """Some servers call each of them `call_0`; the results would be one, of the first."""
    one = {"type": "function", "function": {"name": "pay", "arguments": "{}"}}
    message = {"role": "assistant", "tool_calls": [{"id": "call_0", **one}] * 3}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    reply = await ask(HttpReply(200, json.dumps({"choices": [choice]}).encode()))
    ids = [call.id for call in reply.message.tool_calls]
    assert ("call_0", 3) == (ids[0], len(set(ids)))


async def test_calls_beside_a_stop_finish_reason_still_count() -> None:
    """Servers that say `stop` beside tool calls are understood."""
    reply = await ask(completion(calls=[("a", "{}")], finish_reason="stop"))
    assert "tool_calls" == reply.stop


@pytest.mark.parametrize("written", ['{"expression": ', "[1]", '"17*23"', '{"x": NaN}', "9" * 5000])
async def test_malformed_arguments_are_kept_for_the_model(written: str) -> None:
    """Arguments that are not a JSON object do not fail the call: the model will be told."""
    reply = await ask(completion(calls=[("calculator", written)]))
    assert (ToolCall("id_1", "calculator", {}, malformed=written),) == reply.message.tool_calls


async def test_cut_by_length() -> None:
    """A reply cut by the token limit says so."""
    assert "length" == (await ask(completion("17 * 2", finish_reason="length"))).stop


async def test_content_filter() -> None:
    """A reply stopped by the provider's filter counts as refused."""
    assert "refused" == (await ask(completion("", finish_reason="content_filter"))).stop


async def test_a_refusal_is_no_answer() -> None:
    """What the model says when it declines is kept, and marked as a refusal."""
    message = {"role": "assistant", "content": None, "refusal": "I will not."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    reply = await ask(HttpReply(200, json.dumps(body).encode()))
    assert ("refused", "I will not.") == (reply.stop, reply.message.text)
    assert Usage(0, 0, None) == reply.usage


async def test_a_call_without_an_id_gets_one() -> None:
    """Some servers leave the id out; the observation needs one to refer to."""
    body = completion(calls=[("a", "{}"), ("b", "{}")]).body
    body = body.replace(b'"id": "id_1", ', b"").replace(b'"id": "id_2", ', b"")
    calls = (await ask(HttpReply(200, body))).message.tool_calls
    assert 2 == len({call.id for call in calls} - {None, ""})


async def test_cancelling_closes_the_socket() -> None:
    """A cancelled call hangs up, so that the provider stops writing, and is not retried."""
    async with talking(Stall(), retry=RetryPolicy()) as (client, server):
        call = asyncio.create_task(client.complete(GOAL, [], settings=SETTINGS))
        await server.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.hung_up.wait()
        assert 1 == len(server.requests)


async def test_connections_are_reused() -> None:
    """Ten calls in a row use one connection."""
    async with talking(completion("391")) as (client, server):
        for _ in range(10):
            await client.complete(GOAL, [], settings=SETTINGS)
        assert (10, 1) == (len(server.requests), server.connections)


async def test_a_request_differs_from_the_one_before_in_its_body() -> None:
    """What comes before it is made by the SDK once: the method it is remembered in is not public."""
    async with talking(completion("ok")) as (client, server):
        for said in ("x", "and more of it"):
            await client.complete([UserMessage(said)], [])
        assert 1 == len(client._sdk._known)
    first, second = server.headers
    assert first.pop("content-length") < second.pop("content-length")
    assert first == second


async def test_a_cookie_that_was_replaced_is_not_sent() -> None:
    """A gateway that keeps a client to one server says so with a cookie."""
    script = [replace(completion("ok"), headers={"set-cookie": f"at={n}"}) for n in range(3)]
    async with talking(*script) as (client, server):
        for timeout_s in (60.0, 50.0, 50.0):
            await client.complete(GOAL, [], settings=ModelSettings(timeout_s=timeout_s))
    assert [None, "at=0", "at=1"] == [headers.get("cookie") for headers in server.headers]


async def test_a_whole_conversation_on_the_wire() -> None:
    """Every kind of message takes its place in the request, with its calls and results paired."""
    call = ToolCall("id_1", "calculator", {"expression": "17*23"})
    conversation: tuple[Message, ...] = (
        SystemMessage("Be brief."),
        *GOAL,
        AssistantMessage("", (call,)),
        ToolMessage("id_1", "calculator", "391"),
        AssistantMessage("391"),
    )
    async with talking(completion("ok")) as (client, server):
        await client.complete(conversation, [], settings=SETTINGS)
    function = {"name": "calculator", "arguments": '{"expression": "17*23"}'}
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 17 * 23?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "id_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "id_1", "content": "391"},
        {"role": "assistant", "content": "391"},
    ] == server.requests[0]["messages"]


async def test_tools_and_settings_on_the_wire() -> None:
    """Tools are offered with their schema; settings that are None are not sent."""
    settings = ModelSettings(temperature=0.0, max_tokens=99, timeout_s=5)
    async with talking(completion("ok")) as (client, server):
        await client.complete(GOAL, [calculator.spec], settings=settings)
    sent = server.requests[0]
    function = sent["tools"][0]["function"]
    assert ("calculator", calculator.spec.parameters) == (function["name"], function["parameters"])
    assert {"model", "messages", "temperature", "max_tokens", "tools"} == set(sent)


async def test_the_key_travels_in_its_header() -> None:
    """The key is sent as a bearer token, and nowhere else."""
    async with talking(completion("ok")) as (client, server):
        await client.complete(GOAL, [], settings=SETTINGS)
    assert f"Bearer {KEY}" == server.headers[0]["authorization"]
    assert KEY not in str(server.requests[0])


async def test_an_unknown_server_has_no_price() -> None:
    """The price of a server nobody knows is unknown, though its model has a known name."""
    assert (await ask(completion("391"), name="my-server")).usage.cost_usd is None


async def test_an_unknown_model_has_no_price() -> None:
    """The price of a model nobody knows is unknown, not zero."""
    assert (await ask(completion("391", model="gpt-of-next-year"))).usage.cost_usd is None
