"""The one budget for trying again; the SDKs' own retries are off.

Two layers that both retry multiply: three times three requests hit a provider that is already
overloaded. So the budget is here, it honours `Retry-After`, and it gives up at once when the wait
the provider asks for does not fit into it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from agentkit.errors import AgentError, ProviderError

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one request is tried again.

    Waits grow from `first_wait_s` by doubling, with jitter, up to `max_wait_s`, and are never
    shorter than the provider's Retry-After. `budget_s` is the longest time from the first attempt
    to the start of the last. `sleep` is replaced by tests.
    """

    attempts: int = 4
    first_wait_s: float = 0.5
    max_wait_s: float = 20.0
    budget_s: float = 120.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await `request()` until it succeeds, fails for good, or the budget is spent."""
        began_s = time.monotonic()
        try:
            # Most succeed at once. What tenacity makes for each call costs more than reading the
            # answer, and leaves thirty objects in cycles for the garbage collector to find.
            return await request()
        except AgentError as error:
            if not error.retryable:
                raise
            return await self._again(request, error, time.monotonic() - began_s)

    async def _again(
        self, request: Callable[[], Awaitable[T]], failed: AgentError, taken_s: float
    ) -> T:
        """Go on after the first attempt, which has failed and has taken so long."""
        # Imported here: tenacity costs 40 ms, and most programs never need it.
        import tenacity

        backoff = tenacity.wait_exponential(
            multiplier=self.first_wait_s, max=self.max_wait_s
        ) + tenacity.wait_random(0, self.first_wait_s)
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_worth_another_try),
            wait=lambda state: max(backoff(state), _asked_wait_s(state)),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts),
                tenacity.stop_before_delay(self.budget_s - taken_s),
            ),
            sleep=self.sleep,
            reraise=True,
        )

        # The first attempt counts, and what it raised says how long to wait.
        async def attempt() -> T:
            if retrying.statistics["attempt_number"] == 1:
                raise failed
            return await request()

        return await retrying(attempt)


def _asked_wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, ProviderError) else None
    return asked or 0.0


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, AgentError) and error.retryable
