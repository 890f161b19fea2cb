"""OpenRouter's own accent: its headers, its cost, its reasoning, its errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.openrouter import OpenRouterClient
from agentkit.messages import (
    AssistantMessage,
    Message,
    Reasoning,
    ReasoningDelta,
    Reply,
    UserMessage,
)
from agentkit.testing import ChatServer, HttpReply, completion, streamed
from agentkit.testing.chat_server import Scripted

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
DETAILS = [
    {"type": "reasoning.text", "text": "17*20", "index": 0, "signature": "s", "format": "f"},
    {"type": "reasoning.encrypted", "data": "b64", "index": 1, "id": "r1"},
]


@asynccontextmanager
async def talking(
    *script: Scripted, **options: Any
) -> AsyncIterator[tuple[OpenRouterClient, ChatServer]]:
    async with ChatServer(script) as server:
        once = RetryPolicy(attempts=1)
        client = OpenRouterClient("openai/gpt-4o-mini", "sk-or", server.base_url, once, **options)
        try:
            yield client, server
        finally:
            await client.aclose()


async def ask(*script: Scripted) -> Reply:
    async with talking(*script) as (client, _):
        return await client.complete(GOAL)


def answered(**more: Any) -> HttpReply:
    """A completion with more beside what OpenAI's has: in its message, or its usage."""
    body = json.loads(completion("391").body)
    body["choices"][0]["message"] |= more.pop("message", {})
    body["usage"] |= more.pop("usage", {})
    return HttpReply(more.pop("status", 200), json.dumps({**body, **more}).encode())


async def test_who_asks_is_said_in_headers() -> None:
    """OpenRouter lists apps by their address and title."""
    options = {"app_url": "https://example.org", "app_title": "Example"}
    async with talking(answered(), **options) as (client, server):
        await client.complete(GOAL)
    headers = server.headers[0]
    assert ("https://example.org", "Example") == (headers["http-referer"], headers["x-title"])


async def test_effort_and_routing_have_their_own_form() -> None:
    """How long to think, and who may serve the model, are objects of OpenRouter's."""
    async with talking(answered(), routing={"only": ["azure"]}) as (client, server):
        await client.complete(GOAL, settings=ModelSettings(reasoning_effort="high"))
    sent = server.requests[0]
    assert ({"effort": "high"}, {"only": ["azure"]}) == (sent["reasoning"], sent["provider"])
    assert "reasoning_effort" not in sent


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.0042}, Decimal("0.0042")),
        ({"cost": 0}, Decimal(0)),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, Decimal("0.95")),
        (
            {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
            Decimal("0.3"),
        ),
    ],
)
async def test_the_cost_is_what_was_charged(usage: dict[str, Any], cost: Decimal) -> None:
    """With a key of one's own, what its provider takes comes on top."""
    assert cost == (await ask(answered(usage=usage))).usage.cost_usd


@pytest.mark.parametrize(
    "usage",
    [
        {"cost": -1},
        {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": "x"}},
        {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": -1}},
    ],
)
async def test_a_cost_that_cannot_be_is_looked_up(usage: dict[str, Any]) -> None:
    """It would give money back, or end the run with an error of Decimal's."""
    cost = (await ask(answered(model="openai/gpt-4o-mini", usage=usage))).usage.cost_usd
    assert cost is not None
    assert 0 < cost < Decimal("0.01")


async def test_a_cost_that_is_not_said_is_looked_up() -> None:
    """By OpenRouter's list; an unknown one stays unknown."""
    known = await ask(answered(model="openai/gpt-4o-mini"))
    assert known.usage.cost_usd is not None
    assert (await ask(answered(model="nobody/none"))).usage.cost_usd is None


async def test_reasoning_goes_back_as_it_came() -> None:
    """Signed and encrypted thoughts are what the model needs to go on after a tool call."""
    message = {"reasoning": "17*20", "reasoning_details": DETAILS}
    async with talking(answered(message=message), answered()) as (client, server):
        reply = await client.complete(GOAL)
        await client.complete((*GOAL, reply.message, UserMessage("Sure?")))
    thought = Reasoning("17*20", "openrouter", {"reasoning_details": DETAILS})
    assert AssistantMessage("391", (), (thought,)) == reply.message
    assert DETAILS == server.requests[1]["messages"][1]["reasoning_details"]


async def test_streamed_reasoning_is_put_together() -> None:
    """Pieces of one thought become one; another thought, and what is encrypted, stay apart."""
    first = {"type": "reasoning.text", "text": "17", "index": 0, "format": "f"}
    second = {"type": "reasoning.text", "text": "*20", "index": 0}
    signed = {"type": "reasoning.text", "text": "", "signature": "s", "index": 0}
    deltas: list[dict[str, Any]] = [
        {"reasoning": "17", "reasoning_details": [first]},
        {"reasoning": "*20", "reasoning_details": [second]},
        {"reasoning_details": [signed]},
        {"reasoning_details": [DETAILS[1]]},
        {"content": "391"},
    ]
    async with talking(streamed(*deltas)) as (client, _):
        items = [item async for item in client.stream(GOAL)]
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert [ReasoningDelta("17"), ReasoningDelta("*20")] == items[:2]
    assert (Reasoning("17*20", "openrouter", {"reasoning_details": DETAILS}),) == (
        reply.message.reasoning
    )


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answered(error={"code": 502, "message": "down"}, choices=[]), ProviderUnavailable),
        (answered(error={"code": 429, "message": "slow down"}, choices=[]), RateLimited),
        (answered(status=401, error={"code": 401, "message": "who?"}), AuthenticationFailed),
        (answered(status=402, error={"code": 402, "message": "no credits"}), RateLimited),
        (
            answered(
                status=403,
                error={
                    "code": 403,
                    "message": "flagged",
                    "metadata": {"reasons": ["violence"], "flagged_input": "…"},
                },
            ),
            Refused,
        ),
        (answered(status=503, error={"code": 503, "message": "none left"}), ProviderUnavailable),
    ],
)
async def test_its_errors(reply: HttpReply, kind: type[AgentError]) -> None:
    """Some come with HTTP 200, and a flagged input has the status of a wrong key."""
    with pytest.raises(AgentError) as caught:
        await ask(reply)
    assert kind is type(caught.value)


async def test_an_error_of_the_choice_is_an_error() -> None:
    """The provider behind OpenRouter failed in the middle; what it had said is no answer."""
    body = json.loads(completion("39", finish_reason="error").body)
    body["choices"][0]["error"] = {"code": 502, "message": "upstream broke"}
    with pytest.raises(ProviderUnavailable, match="upstream broke"):
        await ask(HttpReply(200, json.dumps(body).encode()))
