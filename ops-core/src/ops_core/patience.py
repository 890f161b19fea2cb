"""How long a task waits for a store that is away: as long as that takes."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from ops_core.errors import StoreUnavailable

T = TypeVar("T")


async def when_back(ask: Callable[[], Awaitable[T]]) -> T:
    """The store's answer, however long it is away: a task is not given up for that."""
    with suppress(StoreUnavailable):
        return await ask()  # as nearly always: what follows costs as much as a step
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    ):
        with attempt:
            return await ask()
    raise AssertionError("tried without an end")
