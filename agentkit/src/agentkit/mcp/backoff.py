"""How long to wait before a server is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from random import SystemRandom

_CHANCE = SystemRandom()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits grow by doubling from `first_s` to `max_s`, with jitter of up to a quarter.

    A connection that has held for `max_s` makes the next wait a first one again: a server that
    starts well and dies at once is not started twice a second for ever.
    """

    first_s: float = 0.5
    max_s: float = 60.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        # The exponent is bounded: 2.0 ** 1024 is an error.
        return min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 32)) * (
            1 + _CHANCE.random() / 4
        )
