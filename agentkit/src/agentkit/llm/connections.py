"""The HTTP connections of a client, for a thousand calls at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
"""A server that cannot be reached in this time is down; its answer may take longer."""


def http_client(proxy: str | None = None) -> httpx2.AsyncClient:
    """A client without a limit on connections; the proxies of the environment hold unless given.

    It follows no redirect: but for Authorization, httpx2 takes all headers along to wherever that
    leads, and providers have their keys in others.
    """
    # Imported here: it imports httpx2, which comes with the SDKs that use it, and aiohttp.
    from agentkit.llm.transport import HttpClient

    return HttpClient(proxy=proxy, follow_redirects=False)
