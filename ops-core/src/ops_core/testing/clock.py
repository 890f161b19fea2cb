"""A clock that moves only when a test says so."""

from datetime import UTC, datetime, timedelta


class FrozenClock:
    """Starts at a fixed moment; `advance` moves it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
