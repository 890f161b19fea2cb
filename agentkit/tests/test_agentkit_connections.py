"""Connections: as many as there are calls, in pools that stay small."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.connections import http_client
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.pools import CALLS_A_POOL, Pools
from agentkit.messages import UserMessage
from agentkit.testing import ChatServer, Stall, completion

MANY = 12 * CALLS_A_POOL - 3


def pools_of(client: httpx2.AsyncClient) -> Pools:
    transport = client._transport
    assert isinstance(transport, Pools)
    return transport


async def test_many_calls_at_the_same_time_have_a_connection_each() -> None:
    """No call waits for another's connection, and no pool grows beyond its size."""
    async with ChatServer([completion("ok")]) as server:
        client = OpenAiClient("m", "k", server.base_url, retry=RetryPolicy(attempts=1))
        pools = pools_of(client._sdk._client)
        calls = (client.complete((UserMessage("x"),)) for _ in range(MANY))
        replies = await asyncio.gather(*calls)
        assert (MANY, MANY, 12) == (len(replies), server.connections, len(pools._pools))
        assert CALLS_A_POOL == max(len(pool.transport._pool.connections) for pool in pools._pools)
        for _ in range(5):
            await client.complete((UserMessage("x"),))
        assert MANY == server.connections
        await client.aclose()


async def test_what_is_over_leaves_room() -> None:
    """However a call ends, cancelled ones too, its place is free again."""
    async with ChatServer([Stall()]) as server:
        client = OpenAiClient("m", "k", server.base_url, retry=RetryPolicy(attempts=1))
        pools = pools_of(client._sdk._client)
        call = asyncio.create_task(client.complete((UserMessage("x"),)))
        await server.asked.wait()
        assert [1] == [pool.calls for pool in pools._pools]
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert [0] == [pool.calls for pool in pools._pools]
        await client.aclose()


async def test_a_response_that_is_left_unread_keeps_its_place_until_it_is_closed() -> None:
    """Its connection is in use all the same."""
    async with ChatServer([completion("ok")]) as server, http_client() as client:
        request = client.build_request("POST", f"{server.base_url}/x", json={})
        response = await client.send(request, stream=True)
        assert 1 == pools_of(client)._pools[0].calls
        await response.aclose()
        await response.aclose()
        assert 0 == pools_of(client)._pools[0].calls


def test_proxies_have_pools_too() -> None:
    """Those that are given, and those of the environment."""
    mounted = list(http_client("http://127.0.0.1:1")._mounts.values())
    assert [Pools] == [type(transport) for transport in mounted]


@pytest.mark.parametrize(("timeout_s", "connect_s"), [(60.0, 3.0), (1.0, 1.0)])
async def test_a_call_bounds_its_connecting(timeout_s: float, connect_s: float) -> None:
    """A server that is not there is given up before a slow answer would be."""
    asked: list[dict[str, float]] = []

    async def note(request: httpx2.Request) -> None:
        asked.append(request.extensions["timeout"])

    async with ChatServer([completion("ok")]) as server, http_client() as http:
        http.event_hooks = {"request": [note]}
        client = OpenAiClient("m", "k", server.base_url, http_client=http, connect_timeout_s=3)
        await client.complete((UserMessage("x"),), settings=ModelSettings(timeout_s=timeout_s))
    assert [(connect_s, timeout_s)] == [(one["connect"], one["read"]) for one in asked]
