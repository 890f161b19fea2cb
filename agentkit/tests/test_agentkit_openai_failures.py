"""What fails between the OpenAI client and its server: every failure has its class and its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
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
    Message,
    Reply,
    UserMessage,
)
from agentkit.testing import ChatServer, HttpReply, Stall, Trickle, completion, failure
from agentkit.testing.chat_server import Scripted
from agentkit.tools.builtin import calculator

KEY = "sk-very-secret"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)


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
        return await client.complete(GOAL, [calculator.spec], settings=SETTINGS)


async def failing(*script: Scripted, retry: RetryPolicy = ONCE) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await ask(*script, retry=retry)
    return caught.value


@pytest.mark.parametrize(
    "reply",
    [
        completion("39", finish_reason="missing"),
        completion("39", finish_reason="weird"),
        completion(""),
        HttpReply(200, b'{"object": "chat.completion", "choices": []}'),
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
    """401 says what to check, and repeats nothing of the key, of which providers echo a part."""
    error = await failing(failure(401, f"Incorrect API key provided: {KEY[:9]}****"))
    assert AuthenticationFailed is type(error)
    assert not error.retryable
    assert "check that it is set" in str(error)
    assert KEY[:9] not in str(error)


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
        (HttpReply(200, b'{"error": {"message": "overloaded"}}'), ProviderUnavailable, True),
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
            await client.complete(GOAL, [], settings=SETTINGS)
        assert 4 == len(server.requests)
    assert 3 == len(waits.seconds)
    assert sorted(waits.seconds) == waits.seconds


async def test_a_wrong_key_is_not_tried_again() -> None:
    """What cannot work is asked once."""
    async with talking(failure(401), retry=RetryPolicy(sleep=Waits())) as (client, server):
        with pytest.raises(AuthenticationFailed):
            await client.complete(GOAL, [], settings=SETTINGS)
        assert 1 == len(server.requests)


async def test_connection_refused() -> None:
    """A server that is not there is unavailable, and the error names the address, not the login."""
    async with ChatServer([completion("")]) as server:
        url = server.base_url
    client = OpenAiClient("m", KEY, url.replace("//", "//user:password@"), "ollama", ONCE)
    with pytest.raises(ProviderUnavailable, match=f"Cannot reach ollama at {url}"):
        await client.complete(GOAL, [], settings=SETTINGS)
    await client.aclose()


async def test_a_stalled_server_times_out() -> None:
    """A server that never answers costs timeout_s, and its connection is dropped."""
    async with talking(Stall()) as (client, server):
        with pytest.raises(ProviderUnavailable, match=r"did not answer (in time|within)"):
            await client.complete(GOAL, [], settings=replace(SETTINGS, timeout_s=1.0))
        await server.hung_up.wait()


async def test_a_trickling_server_times_out() -> None:
    """The timeout is for the whole answer: a server that sends a byte now and then cannot hold us."""
    async with talking(Trickle()) as (client, server):
        with pytest.raises(ProviderUnavailable, match=r"did not answer (in time|within)"):
            await client.complete(GOAL, [], settings=replace(SETTINGS, timeout_s=1.0))
        await server.hung_up.wait()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx2.RemoteProtocolError("cut"), "Cannot reach openai"),
        (httpx2.ReadTimeout("slow"), "did not answer in time"),
    ],
)
def test_what_an_old_sdk_lets_through_is_translated(error: Exception, says: str) -> None:
    """The first that we take, 3.0, leaves a stream's failures as httpx2 raises them."""
    client = OpenAiClient("m", KEY)
    with pytest.raises(ProviderUnavailable, match=says), client._translated():
        raise error


def test_an_empty_key_is_refused() -> None:
    """An empty key is the caller's mistake, found before the first request."""
    with pytest.raises(UsageError, match="No API key for openrouter"):
        OpenAiClient("m", "", name="openrouter")


def test_a_key_that_no_header_takes_is_refused() -> None:
    """One that was read from a file ends with its line; as a failed request it would be tried again."""
    with pytest.raises(UsageError, match="strip what was read from a file") as raised:
        OpenAiClient("m", "sk-secret\n")
    assert "sk-secret" not in str(raised.value)
