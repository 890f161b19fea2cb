"""The HTTP responses behind the Google SDK's streams, closed when a stream is left.

The SDK's generators and its response refer to each other, so that a stream which is not read to its
end stays connected until the garbage is collected: a model would go on writing, paid for, to nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from agentkit.llm.connections import http_client

if TYPE_CHECKING:
    import httpx2

_OPENED: ContextVar[list[httpx2.Response] | None] = ContextVar("opened", default=None)
"""Where the call that is under way notes its response; the SDK does not hand it out."""

_NOTHING = object()


def noting_client(proxy: str | None, max_answer_bytes: int) -> httpx2.AsyncClient:
    """A client whose responses `streaming` can close."""
    client = http_client(proxy, max_answer_bytes)
    client.event_hooks = {"response": [_note]}
    return client


@asynccontextmanager
async def streaming(
    start: Callable[[], Awaitable[AsyncIterator[Any]]],
) -> AsyncIterator[AsyncIterator[Any]]:
    """The chunks of a stream that `start()` begins, with its response closed at the end."""
    opened: list[httpx2.Response] = []
    noting = _OPENED.set(opened)
    try:
        chunks = await start()
        # The SDK sends the request when it is asked for the first chunk.
        first = await anext(chunks, _NOTHING)
    finally:
        _OPENED.reset(noting)
    try:
        yield _all(first, chunks)
    finally:
        for response in opened:
            await response.aclose()


async def _note(response: httpx2.Response) -> None:
    opened = _OPENED.get()
    if opened is not None:
        opened.append(response)


async def _all(first: Any, others: AsyncIterator[Any]) -> AsyncIterator[Any]:
    if first is not _NOTHING:
        yield first
    async for chunk in others:
        yield chunk
