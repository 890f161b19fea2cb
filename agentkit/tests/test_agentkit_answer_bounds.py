"""What a client refuses: an answer without end, an address that is none, a call after its last one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agentkit import AnthropicClient, GoogleClient, OpenAiClient, OpenRouterClient, RetryPolicy
from agentkit.errors import AnswerTooLarge, UsageError
from agentkit.llm.addresses import checked_base_url, checked_proxy
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Delta, Reply, UserMessage
from agentkit.testing import ChatServer, Events, HttpReply

GOAL = (UserMessage("What is 17 * 23?"),)
LIMIT = 10_000
TWICE = RetryPolicy(attempts=2)

Make = Callable[..., ProviderClient]

CLIENTS: dict[str, Make] = {
    "openai": lambda url, **more: OpenAiClient("m", "key", f"{url}/v1", retry=TWICE, **more),
    "openrouter": lambda url, **more: OpenRouterClient(
        "m", "key", f"{url}/v1", retry=TWICE, **more
    ),
    "anthropic": lambda url, **more: AnthropicClient("m", "key", url, retry=TWICE, **more),
    "google": lambda url, **more: GoogleClient("m", "key", url, retry=TWICE, **more),
}

every_client = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)


async def ended(stream: AsyncIterator[Delta | Reply]) -> list[Delta | Reply]:
    return [item async for item in stream]


@every_client
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_without_end_is_not_read_to_its_end(make: Make, streamed: bool) -> None:
    """The error names what bounds it, and the same is not asked for again."""
    piece = json.dumps({"said": "x" * 1_000})
    long = Events((piece,) * 20) if streamed else HttpReply(200, piece.encode() * 20)
    async with ChatServer([long]) as server:
        llm = make(server.root_url, max_answer_bytes=LIMIT)
        with pytest.raises(AnswerTooLarge, match=f"more than {LIMIT} bytes.*max_answer_bytes"):
            await (ended(llm.stream(GOAL)) if streamed else llm.complete(GOAL))
        await llm.aclose()
    assert 1 == len(server.requests)


@every_client
@pytest.mark.parametrize("address", ["http://[bad", "nonsense"])
async def test_an_address_that_is_none_is_told_when_the_client_is_made(
    make: Make, address: str
) -> None:
    """With what one looks like."""
    with pytest.raises(UsageError, match="proxy is not the address of a proxy: give one like"):
        make("http://127.0.0.1:1", proxy=address)
    with pytest.raises(UsageError, match=r"base_url is not the address .*: give one like"):
        make(address)


@pytest.mark.parametrize("address", ["", "//host", "ftp://host", "http://", "http://host:x"])
def test_what_is_no_address(address: str) -> None:
    """Of a server that speaks HTTP, or of a proxy."""
    for check in (checked_base_url, checked_proxy):
        with pytest.raises(UsageError):
            check(address)


@every_client
async def test_a_password_is_not_repeated(make: Make) -> None:
    """Addresses of proxies have one often."""
    with pytest.raises(UsageError) as told:
        make("http://127.0.0.1:1", proxy="http://me:hunter2@[proxy:3128")
    assert "hunter2" not in str(told.value)


@every_client
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_closed_client_says_so(make: Make, streamed: bool) -> None:
    """It is its program that has to change, not the network."""
    llm: Any = make("http://127.0.0.1:1")
    await llm.aclose()
    with pytest.raises(UsageError, match="is closed: close it after its last call"):
        await (ended(llm.stream(GOAL)) if streamed else llm.complete(GOAL))
