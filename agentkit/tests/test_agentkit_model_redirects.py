"""Redirects of a model's server: none is followed, so keys and messages stay where they were sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from agentkit import AnthropicClient, GoogleClient, OpenAiClient, OpenAiEmbedder, RetryPolicy
from agentkit.errors import BadRequest
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Delta, Message, Reply, UserMessage
from agentkit.testing import ChatServer, HttpReply

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
TWICE = RetryPolicy(attempts=2)

CLIENTS = pytest.mark.parametrize(
    "client",
    [
        lambda url: OpenAiClient("m", "key", f"{url}/v1", "openai", TWICE, headers={"x-team": "s"}),
        lambda url: AnthropicClient("m", "key", url, "anthropic", TWICE),
        lambda url: GoogleClient("m", "key", url, "google", TWICE),
    ],
    ids=["openai", "anthropic", "google"],
)


async def ended(stream: AsyncIterator[Delta | Reply]) -> list[Delta | Reply]:
    return [item async for item in stream]


@CLIENTS
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("streamed", [False, True])
async def test_no_redirect_is_followed(
    client: Callable[[str], ProviderClient], status: int, streamed: bool
) -> None:
    """Whoever answers in the server's place would be sent the key; the error says what to do."""
    async with ChatServer([HttpReply(200, b"{}")]) as elsewhere:
        there = HttpReply(status, b"", {"location": f"{elsewhere.root_url}/x"})
        async with ChatServer([there]) as server:
            llm = client(server.root_url)
            with pytest.raises(BadRequest, match="redirects"):
                await (ended(llm.stream(GOAL)) if streamed else llm.complete(GOAL))
            await llm.aclose()
    assert (1, []) == (len(server.requests), elsewhere.headers)


async def test_an_embedder_follows_none_either() -> None:
    """What is remembered is sent as little elsewhere as what is said."""
    async with ChatServer([HttpReply(200, b"{}")]) as elsewhere:
        there = HttpReply(307, b"", {"location": f"{elsewhere.root_url}/x"})
        async with ChatServer([there]) as server:
            embedder = OpenAiEmbedder(api_key="key", base_url=f"{server.root_url}/v1", retry=TWICE)
            with pytest.raises(BadRequest, match="redirects"):
                await embedder.embed(["a secret"])
            await embedder.aclose()
    assert (1, []) == (len(server.requests), elsewhere.headers)
