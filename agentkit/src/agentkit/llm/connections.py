"""The HTTP connections of a client, for a thousand calls at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentkit.llm.addresses import checked_proxy

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
"""A server that cannot be reached in this time is down; its answer may take longer."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Of one answer, as it is sent. The longest text of a model, in a stream of one frame for each token,
stays below; a server that goes on for ever would fill the memory."""


def http_client(
    proxy: str | None = None, max_answer_bytes: int = MAX_ANSWER_BYTES
) -> httpx2.AsyncClient:
    """A client without a limit on connections; the proxies of the environment hold unless given.

    Raises UsageError for what cannot be the address of a proxy.

    It follows no redirect: but for Authorization, httpx2 takes all headers along to wherever that
    leads, and providers have their keys in others.
    """
    checked_proxy(proxy)
    # Imported here: it imports httpx2, which comes with the SDKs that use it, and aiohttp.
    from agentkit.llm.transport import HttpClient

    return HttpClient(max_answer_bytes=max_answer_bytes, proxy=proxy, follow_redirects=False)
