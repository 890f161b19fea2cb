"""HTTP connections in several small pools, because a large one is slow.

A pool of httpx2 goes through all its connections whenever a request begins or ends, so with a
thousand of them a call cost three times what it costs otherwise (docs/adr/0017). Several
small pools have as many connections and look through one pool's.

Imports httpx2: only `connections` imports this, when a client is made.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx2

CALLS_A_POOL = 10
"""Calls at the same time before another pool is opened. With 50, a fifth of what a call costs went
into looking through them, above all to see whether a server has closed an idle connection."""

KEEP_ALIVE_S = 30.0
"""An agent asks its model again after its tools have run, usually within this time."""


class PooledClient(httpx2.AsyncClient):
    """Has `Pools` wherever it would have one pool; these two methods are where the SDKs' aiohttp
    client comes in too."""

    def _init_transport(self, *_: Any, **options: Any) -> Pools:
        return Pools(options["verify"], trust_env=options["trust_env"])

    def _init_proxy_transport(self, proxy: httpx2.Proxy, *_: Any, **options: Any) -> Pools:
        return Pools(options["verify"], trust_env=options["trust_env"], proxy=proxy)


class Pools(httpx2.AsyncBaseTransport):
    """As many pools as the calls need, the first of them that has room."""

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool,
        *,
        trust_env: bool,
        proxy: httpx2.Proxy | None = None,
    ) -> None:
        # One for all pools: the certificates of a machine take 30 ms to read, and a megabyte.
        self._verify = httpx2.create_ssl_context(verify, trust_env=trust_env)
        self._proxy = proxy
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        pool = self._with_room()
        pool.calls += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:  # a cancelled call leaves its place too
            pool.calls -= 1
            raise
        response.stream = _Counted(response.stream, pool)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.transport.aclose()

    def _with_room(self) -> _Pool:
        for pool in self._pools:
            if pool.calls < CALLS_A_POOL:
                return pool
        unlimited = httpx2.Limits(keepalive_expiry=KEEP_ALIVE_S)
        transport = httpx2.AsyncHTTPTransport(self._verify, limits=unlimited, proxy=self._proxy)
        self._pools.append(_Pool(transport))
        return self._pools[-1]


class _Pool:
    """One pool, and how many calls it has under way."""

    def __init__(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.calls = 0


class _Counted(httpx2.AsyncByteStream):
    """The body of a response; its call is over when it is closed."""

    def __init__(self, body: Any, pool: _Pool) -> None:
        self._body = body
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.calls -= 1
        await self._body.aclose()
