"""A rate of requests and tokens that all clients of a process keep to together.

A call reserves what it will probably use and waits, first come first served, until its model's
buckets hold that much; when its reply is there, the difference goes back or is taken as well. So a
provider's limit is kept to beforehand, where a RateLimited costs a request and a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from agentkit.clock import Clock, SystemClock
from agentkit.errors import UsageError
from agentkit.llm.bucket import Bucket
from agentkit.llm.port import DEFAULT_SETTINGS, LlmClient, ModelSettings
from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec
from agentkit.tokens import tokens_of, tokens_of_tools

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rate:
    """What a provider allows one key of one model in a minute; None where it does not say.

    `burst_s` is how much of that may be used at one moment, in seconds' worth. `output_tokens` is
    what an answer is taken to need as long as it is not there and no `max_tokens` says less.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_s: float = 10.0
    output_tokens: int = 500

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "burst_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"Rate({name}={value}): give a number above 0.")


class RateGovernor:
    """The buckets of a process, for use in one event loop. Make one and share it.

    It counts what is asked of the clients that it governs. What a client asks again by itself (a
    retry, a repair of structured output) counts as tokens, once they are known, not as requests.
    """

    def __init__(self, *, clock: Clock | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._sleep = sleep
        self._queues: dict[tuple[str, str, str], _Queue] = {}

    def govern(self, llm: LlmClient, rate: Rate, *, provider: str, key: str = "") -> GovernedLlm:
        """`llm`, kept to `rate` with all others of this provider, key and model.

        `key` may be any name for the key; it need not be the key. Raises UsageError for another
        rate than these have already.
        """
        place = (provider, key, llm.model)
        if place not in self._queues:
            self._queues[place] = _Queue(rate, self._clock, self._sleep)
        queue = self._queues[place]
        if queue.rate != rate:
            raise UsageError(f"{llm.model} of {provider} is governed already, by {queue.rate}.")
        return GovernedLlm(llm, queue)


class GovernedLlm:
    """An `LlmClient` whose calls wait for their turn."""

    def __init__(self, llm: LlmClient, queue: _Queue) -> None:
        self._llm = llm
        self._queue = queue

    @property
    def model(self) -> str:
        """The model's name."""
        return self._llm.model

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """See `LlmClient`. The wait does not count against the settings' timeouts."""
        reserved = await self._queue.reserve(self._estimate(messages, tools, settings))
        reply = await self._llm.complete(messages, tools, output, settings)
        self._queue.settle(reserved, reply.usage.total_tokens)
        return reply

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `LlmClient`, and `complete`."""
        reserved = await self._queue.reserve(self._estimate(messages, tools, settings))
        async with aclosing(self._llm.stream(messages, tools, output, settings)) as items:
            async for item in items:
                if isinstance(item, Reply):
                    self._queue.settle(reserved, item.usage.total_tokens)
                yield item

    def _estimate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], settings: ModelSettings
    ) -> int:
        # Rough on purpose: the reply corrects it.
        answer = self._queue.rate.output_tokens
        if settings.max_tokens is not None:
            answer = min(answer, settings.max_tokens)
        return tokens_of(messages) + tokens_of_tools(tools) + answer


class _Queue:
    """The two buckets of one provider, key and model, and who waits for them."""

    def __init__(self, rate: Rate, clock: Clock, sleep: Sleep) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()  # fair: waiters get it in the order in which they came
        self._given_back = asyncio.Event()
        now_s = clock.monotonic_s()
        self._requests = Bucket.of(rate.requests_per_minute, rate.burst_s, now_s)
        self._tokens = Bucket.of(rate.tokens_per_minute, rate.burst_s, now_s)

    async def reserve(self, tokens: int) -> int:
        """Wait until one request of that many tokens may go; what is given to `settle`.

        A cancelled wait takes nothing, and lets the next one through.
        """
        async with self._turn:
            while (wait_s := self._wait_s(tokens)) > 0:
                await self._pause(wait_s)
            self._requests.take(1)
            self._tokens.take(tokens)
        return tokens

    def settle(self, reserved: int, used: int) -> None:
        """What the call used in place of what it reserved.

        Not of a call that failed: what that used nobody knows, and a provider may count it.
        """
        self._tokens.take(used - reserved)
        if used < reserved:
            self._given_back.set()

    def _wait_s(self, tokens: int) -> float:
        now_s = self._clock.monotonic_s()
        return max(self._requests.wait_s(1, now_s), self._tokens.wait_s(tokens, now_s))

    async def _pause(self, seconds: float) -> None:
        """Until the time is over, or somebody gave back."""
        self._given_back.clear()
        ends = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._given_back.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
