"""What holds for the tasks of one concurrency key."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

#: Of the tasks of a key that nobody gave a limit, so many run at once.
DEFAULT_CONCURRENCY: Final = 1

#: Keys of one tenant with limits of their own.
MAX_LIMITS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket of `count` tokens that fills in `per_s` seconds, one for each start."""

    count: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimit:
    """The limit of a key, as its tenant has set it."""

    key: str
    concurrency: int = DEFAULT_CONCURRENCY
    rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The tokens that a rate has left: one for each start."""

    rate: Rate
    tokens: float
    refilled_at: datetime

    @classmethod
    def full(cls, rate: Rate, now: datetime) -> "Bucket":
        return cls(rate=rate, tokens=rate.count, refilled_at=now)

    def refilled(self, now: datetime) -> "Bucket":
        """As it stands now; a clock that went back adds nothing."""
        passed_s = max(0.0, (now - self.refilled_at).total_seconds())
        more = passed_s * self.rate.count / self.rate.per_s
        return replace(self, tokens=min(self.rate.count, self.tokens + more), refilled_at=now)

    @property
    def starts(self) -> int:
        """How many tasks may start now."""
        # A token that came in 10 parts of 0.1 is one, whatever binary fractions make of it.
        return int(self.tokens + 1e-6)

    def without(self, starts: int) -> "Bucket":
        """After so many have started."""
        return replace(self, tokens=max(0.0, self.tokens - starts))
