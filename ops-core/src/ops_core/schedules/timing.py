"""When a schedule fires: a calendar in a time zone, or an interval.

In a zone whose clocks change, a fixed time (`30 2 * * *`) that does not exist fires once, at the next moment
that does, and one that comes twice fires at the first; where the minute or the hour begins with `*`, the
schedule follows real time: `0 * * * *` fires every real hour. These are the rules of Debian's cron, which
`cronsim` keeps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from ops_core.errors import FieldError, InvalidRequest
from ops_core.schedules.model import ScheduleSpec

#: Names for what is asked for most, as every cron knows them.
MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: How far back the latest firing is looked for, in steps: what fires often is found in the first.
_BACK: Final = tuple(timedelta(hours=hours) for hours in (1, 24, 24 * 32, 24 * 367))


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one schedule. Equal timings fire at equal times, on every machine."""

    cron: str | None
    every_s: int | None
    zone: ZoneInfo
    anchor: datetime
    """What an interval is counted from."""

    start_at: datetime | None
    end_at: datetime | None

    def after(self, moment: datetime) -> datetime | None:
        """The first firing later than `moment`; None when there is none before the end."""
        if self.start_at is not None and moment < self.start_at:
            moment = self.start_at - timedelta(microseconds=1)
        found = self._interval(moment) if self.every_s else self._calendar(moment)
        if found is None or (self.end_at is not None and found > self.end_at):
            return None
        return found

    def following(self, moment: datetime) -> Iterator[datetime]:
        """Every firing later than `moment`, in order."""
        found = self.after(moment)
        while found is not None:
            yield found
            found = self.after(found)

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """The last firing in [since, until]; looks at few, however many there are."""
        until = min(until, self.end_at or until)
        for back in _BACK:
            begin = max(since, until - back) - timedelta(microseconds=1)
            last = None
            for at in self.following(begin):
                if at > until:
                    break
                last = at
                if self.every_s:
                    every = timedelta(seconds=self.every_s)
                    return at + (until - at) // every * every
            if last is not None or begin < since:
                return last
        return None

    def _interval(self, moment: datetime) -> datetime:
        every = timedelta(seconds=self.every_s or 0)
        passed = max(-1 if self.start_at else 0, (moment - self.anchor) // every)
        return self.anchor + (passed + 1) * every

    def _calendar(self, moment: datetime) -> datetime | None:
        times = CronSim(self.cron or "", moment.astimezone(self.zone))
        for found in times:
            at = found.astimezone(UTC)
            # The second time that a clock shows an hour, the library begins again with the first.
            if at > moment:
                return at
        return None


def timing_of(spec: ScheduleSpec, created_at: datetime) -> Timing:
    return Timing(
        cron=expression(spec.cron) if spec.cron else None,
        every_s=spec.every_s,
        zone=ZoneInfo(spec.time_zone),
        anchor=(spec.start_at or created_at.replace(microsecond=0)).astimezone(UTC),
        start_at=spec.start_at,
        end_at=spec.end_at,
    )


def expression(cron: str) -> str:
    """The five fields that a macro stands for; anything else as it is."""
    return MACROS.get(cron.strip().lower(), cron)


def check_cron(cron: str) -> None:
    """Raises `InvalidRequest` for what is no cron expression, or one that never fires."""
    fields = expression(cron).split()
    if cron.startswith("@") and len(fields) == 1:
        raise _wrong(f"is not a macro that is known: {', '.join(MACROS)}")
    if len(fields) == 6:
        raise _wrong(
            "has six fields: seconds are not taken; send five (minute hour day month weekday), or every_s"
        )
    if len(fields) != 5:
        raise _wrong("must have five fields: minute hour day-of-month month day-of-week")
    try:
        next(CronSim(" ".join(fields), datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise _wrong(f"is not a cron expression: {error}") from None
    except StopIteration:
        raise _wrong("never fires") from None


def check_zone(name: str) -> None:
    """Raises `InvalidRequest` for what is no zone of the IANA database."""
    if name not in _zones():
        message = "is not an IANA time zone; examples: UTC, Europe/Berlin, America/New_York"
        raise InvalidRequest([FieldError("time_zone", message)])


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(
        available_timezones()
    )  # reads the disk; never opens a path that a client names


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest([FieldError("cron", message)])
