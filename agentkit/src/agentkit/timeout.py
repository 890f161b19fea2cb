"""A timeout that stands still while what it bounds waits for something outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self


class PausableTimeout:
    """`asyncio.timeout` with pauses. With several at the same time, it goes on after the last."""

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds
        self._pauses = 0
        self._timeout = asyncio.timeout(seconds)
        self._over = False

    def expired(self) -> bool:
        """Whether the time is up, and the body is or was cancelled."""
        return self._timeout.expired()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no time count inside."""
        self._pauses += 1
        if self._pauses == 1 and self._running():
            self._left_s = (self._timeout.when() or 0.0) - asyncio.get_running_loop().time()
            self._timeout.reschedule(None)
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses and self._running():
                self._timeout.reschedule(asyncio.get_running_loop().time() + self._left_s)

    def _running(self) -> bool:
        # A branch that the call left behind may still wait when the call is over.
        return not self._over and not self._timeout.expired()

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over = True
        await self._timeout.__aexit__(kind, error, traceback)
