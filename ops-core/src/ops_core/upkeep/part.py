"""One part of a pass of upkeep: what it meets costs this part, not the others, nor the dispatcher."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ops_core.errors import BrokerUnavailable, StoreUnavailable

log = structlog.get_logger(__name__)

Chore = Callable[[], Awaitable[int]]
"""One pass over what is due of one kind; returns how much there was. Short: everything else waits for it."""

#: How long a part that failed rests before it is tried again, doubling up to the second. Who waited three
#: seconds for a lock has held up everything behind it for as long. Seconds.
REST_S: Final = (0.5, 30.0)


class Part:
    """Tries a chore, and lets it rest after a failure. The log hears of an outage when it begins and ends."""

    def __init__(self, name: str, chore: Chore, clock: Callable[[], float]) -> None:
        self.name = name
        self._chore = chore
        self._clock = clock
        self._rest_s = 0.0
        self._tries_at = clock()

    async def run(self) -> int:
        """How much there was; 0 while it rests."""
        if self._clock() < self._tries_at:
            return 0
        try:
            done = await self._chore()
        except (StoreUnavailable, BrokerUnavailable) as error:
            if not self._rest_s:
                log.warning("a part of upkeep rests", part=self.name, error=str(error))
            self._put_off()
            return 0
        # A fault that nobody foresaw: the others must go on, and this one may be over in a while.
        except Exception:
            if not self._rest_s:
                log.exception("a part of upkeep failed and rests", part=self.name)
            self._put_off()
            return 0
        if self._rest_s:
            log.info("a part of upkeep goes on", part=self.name)
            self._rest_s = 0.0
        return done

    def _put_off(self) -> None:
        first_s, most_s = REST_S
        self._rest_s = min(self._rest_s * 2 or first_s, most_s)
        self._tries_at = self._clock() + self._rest_s
