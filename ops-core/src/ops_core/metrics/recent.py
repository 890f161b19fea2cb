"""Figures that are some seconds old: however many ask, the store is asked seldom, and once at a time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from ops_core.errors import StoreUnavailable
from ops_core.metrics.port import Figures, FiguresStore

log = structlog.get_logger(__name__)

#: How old figures may be. Less than scrapes usually are apart. Seconds.
FRESH_S: Final = 5.0

#: How long a scrape waits for them: less than Prometheus waits for a scrape (10 s). Seconds.
WAITS_S: Final = 3.0


class RecentFigures:
    """`now` from whatever stands behind it."""

    def __init__(
        self,
        store: FiguresStore,
        *,
        fresh_s: float = FRESH_S,
        waits_s: float = WAITS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._fresh_s = fresh_s
        self._waits_s = waits_s
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None
        self._known: Figures | None = None
        self._known_at = 0.0

    async def now(self) -> Figures | None:
        """None when the store is away, or does not answer in time: old figures would look like new ones."""
        if self._known is not None and self._clock() - self._known_at < self._fresh_s:
            return self._known
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="figures")
        # One that takes longer goes on: the next scrape finds what came of it, and asks no second time.
        done, _ = await asyncio.wait({self._asking}, timeout=self._waits_s)
        if not done:
            log.warning("no figures: the store does not answer", waited_s=self._waits_s)
            return None
        done.pop().result()
        return self._known

    async def close(self) -> None:
        """Asks no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        self._known = None
        try:
            self._known = await self._store.figures()
        except StoreUnavailable as error:
            log.warning("no figures", error=str(error))
        self._known_at = self._clock()
