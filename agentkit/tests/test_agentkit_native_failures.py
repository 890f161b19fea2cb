"""What fails between the Anthropic and Google clients and their servers: each has its class."""

from __future__ import annotations

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
)
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.llm.google import GoogleClient
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Message, UserMessage
from agentkit.testing import ChatServer, Events, HttpReply
from agentkit.testing.anthropic_replies import message_events, message_failure, named
from agentkit.testing.chat_server import Scripted
from agentkit.testing.google_replies import response_chunks, response_failure

KEY = "very-secret-key"
ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)


async def failing(client: ProviderClient) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await client.complete(GOAL, settings=SETTINGS)
    await client.aclose()
    return caught.value


async def failing_anthropic(answer: HttpReply) -> AgentError:
    async with ChatServer([answer]) as server:
        return await failing(AnthropicClient("m", KEY, server.root_url, retry=ONCE))


async def failing_google(answer: HttpReply) -> AgentError:
    async with ChatServer([answer]) as server:
        return await failing(GoogleClient("m", KEY, server.root_url, retry=ONCE))


async def failing_stream(client: ProviderClient) -> tuple[int, AgentError]:
    """How many items a stream gave before its error."""
    given = 0
    try:
        async for _ in client.stream(GOAL, settings=SETTINGS):
            given += 1
    except AgentError as error:
        return given, error
    finally:
        await client.aclose()
    raise AssertionError("the stream ended without an error")


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (message_failure(401, "authentication_error"), AuthenticationFailed, False),
        (message_failure(403, "permission_error"), AuthenticationFailed, False),
        (message_failure(402, "billing_error"), RateLimited, False),
        (
            message_failure(400, "invalid_request_error", "Your credit balance is too low"),
            RateLimited,
            False,
        ),
        (message_failure(404, "not_found_error"), BadRequest, False),
        (message_failure(400, "invalid_request_error"), BadRequest, False),
        (
            message_failure(400, "invalid_request_error", "prompt is too long: 9 tokens > 8"),
            ContextTooLong,
            False,
        ),
        (message_failure(413, "request_too_large"), ContextTooLong, False),
        (message_failure(429, "rate_limit_error"), RateLimited, True),
        (message_failure(409, "conflict_error"), ProviderUnavailable, True),
        (message_failure(500, "api_error"), ProviderUnavailable, True),
        (message_failure(504, "timeout_error"), ProviderUnavailable, True),
        (message_failure(529, "overloaded_error"), ProviderUnavailable, True),
        (HttpReply(502, b"<html>Bad gateway</html>"), ProviderUnavailable, True),
    ],
)
async def test_errors_of_anthropic(
    answer: HttpReply, kind: type[AgentError], retryable: bool
) -> None:
    """Each kind of refusal is its own class, and says whether trying again can help."""
    error = await failing_anthropic(answer)
    assert (kind, retryable) == (type(error), error.retryable)


INVALID_KEY = response_failure(400, "INVALID_ARGUMENT", "API key not valid. Please pass one.")
TOO_LONG = "The input token count (9) exceeds the maximum number of tokens allowed (8)."


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (INVALID_KEY, AuthenticationFailed, False),
        (response_failure(401, "UNAUTHENTICATED"), AuthenticationFailed, False),
        (response_failure(403, "PERMISSION_DENIED"), AuthenticationFailed, False),
        (response_failure(404, "NOT_FOUND"), BadRequest, False),
        (response_failure(400, "INVALID_ARGUMENT"), BadRequest, False),
        (response_failure(400, "INVALID_ARGUMENT", TOO_LONG), ContextTooLong, False),
        (response_failure(429, "RESOURCE_EXHAUSTED"), RateLimited, True),
        (response_failure(500, "INTERNAL"), ProviderUnavailable, True),
        (response_failure(503, "UNAVAILABLE"), ProviderUnavailable, True),
        (response_failure(504, "DEADLINE_EXCEEDED"), ProviderUnavailable, True),
        (HttpReply(502, b"<html>Bad gateway</html>"), ProviderUnavailable, True),
        (HttpReply(500, b'["odd"]'), ProviderUnavailable, True),
        (HttpReply(500, b'{"error": "odd"}'), ProviderUnavailable, True),
    ],
)
async def test_errors_of_google(answer: HttpReply, kind: type[AgentError], retryable: bool) -> None:
    """Each kind of refusal is its own class, and says whether trying again can help."""
    error = await failing_google(answer)
    assert (kind, retryable) == (type(error), error.retryable)


async def test_errors_quote_the_provider_without_the_key() -> None:
    """What the provider said is passed on, shortened, and with the key blotted out."""
    said = f"{KEY} is bad. " + "x" * 1000
    errors = [
        await failing_anthropic(message_failure(400, "invalid_request_error", said)),
        await failing_google(response_failure(400, "INVALID_ARGUMENT", said)),
    ]
    for error in errors:
        assert "[key] is bad." in str(error)
        assert KEY not in str(error)
        assert len(str(error)) < 500


async def test_the_wait_that_google_asks_for_in_its_body() -> None:
    """Google puts the wait into the error's details; a Retry-After header goes before it."""
    retry_info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "11.5s"}
    in_body = response_failure(429, "RESOURCE_EXHAUSTED", details=[{"other": 1}, retry_info])
    both = response_failure(429, headers={"retry-after": "7"}, details=[retry_info])
    waits = []
    for answer in (in_body, both):
        error = await failing_google(answer)
        assert isinstance(error, ProviderError)
        waits.append(error.retry_after_s)
    assert [11.5, 7.0] == waits


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ProviderUnavailable),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", BadRequest),
        ("something_new", ProviderUnavailable),
    ],
)
async def test_errors_inside_a_stream_of_anthropic(kind: str, expected: type[AgentError]) -> None:
    """What fails after the answer began has HTTP status 200, and the class of its type."""
    error = {"type": "error", "error": {"type": kind, "message": "no"}}
    script = [Events((*message_events("391")[:3], named(error)))]
    async with ChatServer(script) as server:
        items, raised = await failing_stream(AnthropicClient("m", KEY, server.root_url, retry=ONCE))
    assert (1, expected) == (items, type(raised))


async def test_errors_inside_a_stream_of_google() -> None:
    """What fails after the answer began has the class of the code in its body."""
    body = response_failure(503, "UNAVAILABLE").body.decode()
    async with ChatServer([Events((*response_chunks("391")[:1], body))]) as server:
        items, raised = await failing_stream(GoogleClient("m", KEY, server.root_url, retry=ONCE))
    assert (1, ProviderUnavailable) == (items, type(raised))


async def test_a_missing_address_is_named_without_its_password() -> None:
    """A server that is not there is unavailable; the error says which, without the login in it."""
    async with ChatServer([HttpReply(200, b"")]) as server:
        url = server.root_url
    address = url.replace("//", "//user:password@")
    clients: list[ProviderClient] = [
        AnthropicClient("m", KEY, address, retry=ONCE),
        GoogleClient("m", KEY, address, retry=ONCE),
    ]
    for client in clients:
        error = await failing(client)
        assert isinstance(error, ProviderUnavailable)
        assert f" at {url}:" in str(error)
        assert "password" not in str(error)


@pytest.mark.parametrize("script", [[Events(message_events("391"))]])
async def test_other_apis_are_no_gemini(script: list[Scripted]) -> None:
    """A server of another provider is recognised as one that breaks the protocol."""
    async with ChatServer(script) as server:
        _, raised = await failing_stream(GoogleClient("m", KEY, server.root_url, retry=ONCE))
    assert isinstance(raised, ModelMisbehaved)
