"""A token bucket: arithmetic only, with the time given to it."""

from __future__ import annotations

import math
from typing import Self


class Bucket:
    """Holds at most `capacity`, and fills by `per_s` each second; full at first.

    What asks for more than it can ever hold is let through when it is full, and leaves a debt that
    is filled up first. So in any stretch of time no more is let through than
    `capacity + per_s * seconds`, and the excess of the last one over the capacity.
    """

    def __init__(self, capacity: float, per_s: float, now_s: float) -> None:
        self._capacity = capacity
        self._per_s = per_s
        self._level = capacity
        self._at_s = now_s

    @classmethod
    def of(cls, per_minute: float | None, burst_s: float, now_s: float) -> Self:
        """The bucket of a limit for each minute; without one, it lets everything through."""
        if per_minute is None:
            return cls(math.inf, math.inf, now_s)
        per_s = per_minute / 60
        # At least 1: a request is not let through in parts.
        return cls(max(1.0, per_s * burst_s), per_s, now_s)

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken, if nobody takes or gives in between; 0 is now."""
        self._fill(now_s)
        missing = min(amount, self._capacity) - self._level
        # A rounding error's worth is not waited for: a clock may be too coarse to pass it.
        return missing / self._per_s if missing > 1e-9 * self._capacity else 0.0

    def take(self, amount: float) -> None:
        """Take `amount` out, or put it back when it is below 0."""
        self._level = min(self._capacity, self._level - amount)

    def _fill(self, now_s: float) -> None:
        gained = (now_s - self._at_s) * self._per_s if now_s > self._at_s else 0.0
        self._at_s = max(self._at_s, now_s)
        self._level = min(self._capacity, self._level + gained)
