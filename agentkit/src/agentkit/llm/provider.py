"""What the clients of all providers share: the port, one retry budget, timeouts, structured output."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from agentkit.errors import ModelMisbehaved, ProviderUnavailable, UsageError
from agentkit.llm.port import DEFAULT_SETTINGS, ModelRequest, ModelSettings
from agentkit.llm.retry import RetryPolicy
from agentkit.llm.structured import fitting
from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec


@dataclass(slots=True)
class _Left:
    """What is left of a timeout that stands still between two items; None is without end."""

    whole_s: float | None
    taken_s: float = 0.0


class ProviderClient(ABC):
    """An `LlmClient` over one provider's SDK.

    A provider says how one attempt is made, `_complete` and `_stream`; both raise our errors only,
    and neither tries again.
    """

    model: str

    def __init__(self, model: str, name: str, retry: RetryPolicy | None) -> None:
        self.model = model
        self._name = name
        self._retry = retry or RetryPolicy()

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """See `LlmClient`. Raises UsageError once the client is closed."""
        self._check_open()
        request = ModelRequest(tuple(messages), tuple(tools), output, settings)
        async with self._within(settings.total_timeout_s):
            return await fitting(request, await self._ask(request), self._ask)

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `LlmClient`. A repair of structured output gives no deltas."""
        self._check_open()
        request = ModelRequest(tuple(messages), tuple(tools), output, settings)
        total = _Left(settings.total_timeout_s)
        async with self._taking(total):
            item, others = await self._retry.call(lambda: self._begun(request))
        async with aclosing(others):
            while not isinstance(item, Reply):
                yield item
                async with self._taking(total):
                    item = await anext(others)
            async with self._taking(total):
                item = await fitting(request, item, self._ask)
            yield item

    @property
    def _is_closed(self) -> bool:
        """Whether `aclose` was called, on this client or on one that shares its connections."""
        return False

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections; the client cannot be used afterwards."""

    @abstractmethod
    async def _complete(self, request: ModelRequest) -> Reply:
        """One attempt."""

    @abstractmethod
    def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        """One attempt, whose last item is the Reply: a stream that ends otherwise raises."""

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError(
                f"This client of {self._name} is closed: close it after its last call, or make "
                "another one."
            )

    async def _ask(self, request: ModelRequest) -> Reply:
        async def attempt() -> Reply:
            async with self._within(request.settings.timeout_s):
                return await self._complete(request)

        return await self._retry.call(attempt)

    async def _begun(
        self, request: ModelRequest
    ) -> tuple[Delta | Reply, AsyncGenerator[Delta | Reply, None]]:
        """A stream that has given its first item: up to there, another attempt repeats nothing."""
        items = self._timed(request)
        try:
            return await anext(items), items
        except BaseException:  # a cancelled one closes its connection too
            await items.aclose()
            raise

    async def _timed(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        """The items of one attempt; the time its consumer takes does not count."""
        attempt = _Left(request.settings.timeout_s)
        async with aclosing(self._stream(request)) as items:
            while True:
                async with self._taking(attempt):
                    item = await anext(items, None)
                if item is None:
                    raise ModelMisbehaved(f"{self._name}'s stream ended without a reply.")
                yield item
                if isinstance(item, Reply):
                    return

    @asynccontextmanager
    async def _taking(self, left: _Left) -> AsyncIterator[None]:
        """Take the time that the body needs from what is left, and no more than that."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        async with self._within(left.whole_s, left.taken_s):
            yield
        left.taken_s += clock() - began_s

    @asynccontextmanager
    async def _within(self, seconds: float | None, taken_s: float = 0.0) -> AsyncIterator[None]:
        timeout = asyncio.timeout(None if seconds is None else seconds - taken_s)
        try:
            async with timeout:
                yield
        except TimeoutError:
            if timeout.expired():
                raise ProviderUnavailable(
                    f"{self._name} did not answer within {seconds:g} s: try again, or raise "
                    "timeout_s (total_timeout_s for all attempts together)."
                ) from None
            raise
