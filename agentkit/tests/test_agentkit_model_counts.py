"""What a provider counts: when it counts nothing, or what cannot be, an answer stands all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agentkit import AnthropicClient, GoogleClient, OpenAiClient, RetryPolicy
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Message, Reply, Usage, UserMessage
from agentkit.testing import ChatServer, Events, HttpReply, chunk, completion
from agentkit.testing.anthropic_replies import message
from agentkit.testing.chat_server import Scripted
from agentkit.testing.google_replies import response

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
TWICE = RetryPolicy(attempts=2)


@dataclass(frozen=True, slots=True)
class Provider:
    """A client, an answer of its server, and what the counts are called there."""

    client: Callable[[ChatServer], ProviderClient]
    answer: HttpReply
    usage: str
    input: str
    output: str
    cached: dict[str, Any]

    def counting(self, usage: dict[str, Any] | None) -> HttpReply:
        body = json.loads(self.answer.body)
        del body[self.usage]
        counts = {} if usage is None else {self.usage: usage}
        return HttpReply(200, json.dumps({**body, **counts}).encode())


PROVIDERS = pytest.mark.parametrize(
    "provider",
    [
        Provider(
            lambda server: OpenAiClient("m", "key", server.base_url, "openai", TWICE),
            completion("391"),
            "usage",
            "prompt_tokens",
            "completion_tokens",
            {"prompt_tokens_details": {"cached_tokens": 50}},
        ),
        Provider(
            lambda server: AnthropicClient("m", "key", server.root_url, "anthropic", TWICE),
            message("391"),
            "usage",
            "input_tokens",
            "output_tokens",
            {"cache_read_input_tokens": -20},
        ),
        Provider(
            lambda server: GoogleClient("m", "key", server.root_url, "google", TWICE),
            response("391"),
            "usageMetadata",
            "promptTokenCount",
            "candidatesTokenCount",
            {"cachedContentTokenCount": 50},
        ),
    ],
    ids=["openai", "anthropic", "google"],
)


async def asked(provider: Provider, *script: Scripted) -> tuple[Reply, int]:
    """The reply, and how many requests were paid for it."""
    async with ChatServer(script) as server:
        client = provider.client(server)
        reply = await client.complete(GOAL)
        await client.aclose()
        return reply, len(server.requests)


@PROVIDERS
@pytest.mark.parametrize("counted", [True, False])
async def test_what_was_not_counted_has_no_price(provider: Provider, counted: bool) -> None:
    """It was free, and a limit on the cost was never reached."""
    usage = {provider.input: 0, provider.output: 0} if counted else None
    reply, _ = await asked(provider, provider.counting(usage))
    assert Usage(0, 0, None) == reply.usage


async def test_a_server_of_ones_own_has_no_price() -> None:
    """Its models may be called what they like, and nobody said that the provider's prices hold."""
    answers = [completion("391"), message("391"), response("391")]
    for made, said in zip((OpenAiClient, AnthropicClient, GoogleClient), answers, strict=True):
        async with ChatServer([said]) as server:
            client = made("m", "key", server.root_url, retry=TWICE)
            reply = await client.complete(GOAL)
            await client.aclose()
        assert Usage(20, 10, None) == reply.usage


@PROVIDERS
async def test_an_answer_stands_whatever_its_counts(provider: Provider) -> None:
    """With more from the cache than was read at all, it was thrown away and paid for again."""
    usage = {provider.input: 20, provider.output: 10, **provider.cached}
    reply, requests = await asked(provider, provider.counting(usage))
    assert ("391", 1) == (reply.message.text, requests)


@PROVIDERS
async def test_no_count_is_below_zero(provider: Provider) -> None:
    """It would give back what other calls have used of a limit."""
    usage = {provider.input: -20, provider.output: -10}
    reply, requests = await asked(provider, provider.counting(usage))
    assert (Usage(0, 0, None), 1) == (reply.usage, requests)


async def test_a_stream_that_ends_before_its_counts_has_no_price() -> None:
    """It is whole, and what it cost is not known."""
    script = Events((chunk({"content": "391"}), chunk(finish_reason="stop"), "[DONE]"))
    async with ChatServer([script]) as server:
        client = OpenAiClient("m", "key", server.base_url, "openai", TWICE)
        items = [item async for item in client.stream(GOAL)]
        await client.aclose()
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert ("391", Usage(0, 0, None)) == (reply.message.text, reply.usage)
