"""The OpenAI client: the real SDK, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    ModelMisbehaved,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Refused,
    UsageError,
)
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
from agentkit.testing import ChatServer, HttpReply, Stall, completion, failure
from agentkit.testing.chat_server import Scripted
from agentkit.tools.builtin import calculator

KEY = "sk-very-secret"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)

Ask = Callable[..., Awaitable[Reply]]


class Waits:
    """Takes the place of asyncio.sleep, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


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
        return await client.complete(GOAL, [calculator.spec], SETTINGS)


async def failing(*script: Scripted, retry: RetryPolicy = ONCE) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await ask(*script, retry=retry)
    return caught.value


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


@pytest.mark.parametrize(
    "reply",
    [
        completion("39", finish_reason="missing"),
        completion("39", finish_reason="weird"),
        completion(""),
        HttpReply(200, b'{"object": "chat.completion", "choices": []}'),
        HttpReply(200, b'{"error": {"message": "overloaded"}}'),
        HttpReply(200, b"not json"),
        HttpReply(200, b"<html>hello</html>", {"content-type": "text/html"}),
    ],
)
async def test_broken_replies_are_never_silent_success(reply: HttpReply) -> None:
    """What is not a whole answer is the model's fault, and worth another try."""
    error = await failing(reply)
    assert ModelMisbehaved is type(error)
    assert error.retryable


async def test_wrong_key() -> None:
    """401 says what to check, and does not repeat the key the provider echoes."""
    error = await failing(failure(401, f"Incorrect API key provided: {KEY}"))
    assert AuthenticationFailed is type(error)
    assert not error.retryable
    assert "check that it is set" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        (failure(403), AuthenticationFailed, False),
        (failure(404, "no such model"), BadRequest, False),
        (failure(400, "temperature is not supported"), BadRequest, False),
        (failure(400, code="context_length_exceeded"), ContextTooLong, False),
        (failure(400, code="content_policy_violation"), Refused, False),
        (failure(429), RateLimited, True),
        (failure(429, code="insufficient_quota"), RateLimited, False),
        (failure(402), RateLimited, False),
        (failure(408), ProviderUnavailable, True),
        (failure(500), ProviderUnavailable, True),
        (failure(503), ProviderUnavailable, True),
        (HttpReply(502, b"<html>Bad gateway</html>"), ProviderUnavailable, True),
    ],
)
async def test_error_statuses(reply: HttpReply, kind: type[AgentError], retryable: bool) -> None:
    """Each kind of refusal is its own class, and says whether trying again can help."""
    error = await failing(reply)
    assert (kind, retryable) == (type(error), error.retryable)


async def test_errors_quote_the_provider_without_the_key() -> None:
    """What the provider said is passed on, shortened, and with the key blotted out."""
    error = await failing(failure(400, f"{KEY} is bad. " + "x" * 1000))
    assert "[key] is bad." in str(error)
    assert KEY not in str(error)
    assert len(str(error)) < 500


async def test_retry_after_is_honoured() -> None:
    """429 with Retry-After waits that long, not less, and then succeeds."""
    waits = Waits()
    retry = RetryPolicy(first_wait_s=0.01, sleep=waits)
    limited = failure(429, headers={"retry-after": "7"})
    assert "391" == (await ask(limited, completion("391"), retry=retry)).message.text
    assert [7.0] == waits.seconds


async def test_retry_after_may_be_a_date() -> None:
    """The other form of the header is understood; a date in the past asks for no wait."""
    past = failure(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})
    error = await failing(past)
    assert isinstance(error, ProviderError)
    assert 0.0 == error.retry_after_s


async def test_retry_after_beyond_the_budget_gives_up_at_once() -> None:
    """A provider that asks for an hour is not waited for; the error says how long it asked."""
    waits = Waits()
    retry = RetryPolicy(budget_s=60, sleep=waits)
    error = await failing(failure(429, headers={"retry-after": "3600"}), retry=retry)
    assert isinstance(error, ProviderError)
    assert 3600.0 == error.retry_after_s
    assert [] == waits.seconds


async def test_500_then_200() -> None:
    """A passing failure is survived."""
    retry = RetryPolicy(sleep=Waits())
    assert "391" == (await ask(failure(500), completion("391"), retry=retry)).message.text


async def test_one_retry_budget() -> None:
    """Four attempts are four requests: the SDK adds none of its own, and waits grow."""
    waits = Waits()
    async with talking(failure(500), retry=RetryPolicy(attempts=4, sleep=waits)) as (
        client,
        server,
    ):
        with pytest.raises(ProviderUnavailable):
            await client.complete(GOAL, [], SETTINGS)
        assert 4 == len(server.requests)
    assert 3 == len(waits.seconds)
    assert sorted(waits.seconds) == waits.seconds


async def test_a_wrong_key_is_not_tried_again() -> None:
    """What cannot work is asked once."""
    async with talking(failure(401), retry=RetryPolicy(sleep=Waits())) as (client, server):
        with pytest.raises(AuthenticationFailed):
            await client.complete(GOAL, [], SETTINGS)
        assert 1 == len(server.requests)


async def test_connection_refused() -> None:
    """A server that is not there is unavailable, and the error names the address, not the login."""
    async with ChatServer([completion("")]) as server:
        url = server.base_url
    client = OpenAiClient("m", KEY, url.replace("//", "//user:password@"), "ollama", ONCE)
    with pytest.raises(ProviderUnavailable, match=f"Cannot reach ollama at {url}"):
        await client.complete(GOAL, [], SETTINGS)
    await client.aclose()


async def test_a_stalled_server_times_out() -> None:
    """A server that never answers costs timeout_s, and its connection is dropped."""
    async with talking(Stall()) as (client, server):
        with pytest.raises(ProviderUnavailable, match="did not answer in time"):
            await client.complete(GOAL, [], replace(SETTINGS, timeout_s=1.0))
        await server.hung_up.wait()


async def test_cancelling_closes_the_socket() -> None:
    """A cancelled call hangs up, so that the provider stops writing, and is not retried."""
    async with talking(Stall(), retry=RetryPolicy(sleep=Waits())) as (client, server):
        call = asyncio.create_task(client.complete(GOAL, [], SETTINGS))
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
            await client.complete(GOAL, [], SETTINGS)
        assert (10, 1) == (len(server.requests), server.connections)


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
        await client.complete(conversation, [], SETTINGS)
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
        await client.complete(GOAL, [calculator.spec], settings)
    sent = server.requests[0]
    function = sent["tools"][0]["function"]
    assert ("calculator", calculator.spec.parameters) == (function["name"], function["parameters"])
    assert {"model", "messages", "temperature", "max_tokens", "tools"} == set(sent)


async def test_the_key_travels_in_its_header() -> None:
    """The key is sent as a bearer token, and nowhere else."""
    async with talking(completion("ok")) as (client, server):
        await client.complete(GOAL, [], SETTINGS)
    assert f"Bearer {KEY}" == server.headers[0]["authorization"]
    assert KEY not in str(server.requests[0])


async def test_an_unknown_server_has_no_price() -> None:
    """The price of a server nobody knows is unknown, though its model has a known name."""
    assert (await ask(completion("391"), name="my-server")).usage.cost_usd is None


async def test_an_unknown_model_has_no_price() -> None:
    """The price of a model nobody knows is unknown, not zero."""
    assert (await ask(completion("391", model="gpt-of-next-year"))).usage.cost_usd is None


def test_an_empty_key_is_refused() -> None:
    """An empty key is the caller's mistake, found before the first request."""
    with pytest.raises(UsageError, match="No API key for openrouter"):
        OpenAiClient("m", "", name="openrouter")
