"""How often one caller may ask: a bucket for each, in this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops_core.errors import RateLimited
from ops_core.identity.keys import Rate

#: Callers with a bucket; beyond it the one that asked least lately gets a full one again.
MAX_BUCKETS: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """Token buckets. Each door process has its own: a caller of n processes may ask n times as often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, rate: Rate) -> None:
        """Counts one request. Raises `RateLimited`."""
        now = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(rate.burst, now))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.at) * rate.per_minute / 60
        bucket.tokens, bucket.at = min(rate.burst, bucket.tokens + gained), now
        if bucket.tokens < 1:
            raise RateLimited(max(1, math.ceil((1 - bucket.tokens) * 60 / rate.per_minute)))
        bucket.tokens -= 1
