"""When schedules fire: intervals, calendars, and the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ops_core.errors import InvalidRequest
from ops_core.schedules.timing import Timing, check_cron, check_zone, expression

pytestmark = pytest.mark.unit

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def timing(cron: str | None = None, zone: str = "UTC", **fields: Any) -> Timing:
    given = {"every_s": None, "anchor": EPOCH, "start_at": None, "end_at": None, **fields}
    return Timing(cron=cron, zone=ZoneInfo(zone), **given)


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type,misc]


def firings(found: Timing, since: datetime, until: datetime) -> list[datetime]:
    return list(takewhile(lambda at: at <= until, found.following(since)))


def shown(found: Timing, since: datetime, until: datetime) -> list[str]:
    """As the clocks of the zone show them."""
    times = firings(found, since, until)
    return [at.astimezone(found.zone).strftime("%d %H:%M%z") for at in times]


def reference(hour: int, minute: int, zone: ZoneInfo, year: int) -> list[datetime]:
    """The firings of `minute hour * * *` in a year, found by looking at the clock every real minute.

    A day whose clocks never show the time has one at the first moment after the gap.
    """
    found: dict[str, datetime] = {}
    at = datetime(year, 1, 1, tzinfo=zone).astimezone(UTC)
    while (clock := at.astimezone(zone)).year == year:
        if (clock.hour, clock.minute) >= (hour, minute):
            found.setdefault(clock.strftime("%m-%d"), at)
        at += timedelta(minutes=1) if clock.hour in {hour, hour - 1} else timedelta(minutes=30)
    return list(found.values())


@pytest.mark.parametrize(
    ("zone", "hour", "minute"),
    [("Europe/Berlin", 2, 30), ("America/New_York", 2, 0), ("America/New_York", 1, 30)],
)
def test_a_fixed_time_fires_once_a_day_all_year(zone: str, hour: int, minute: int) -> None:
    """Also on the day without that time and on the day that has it twice."""
    found = timing(f"{minute} {hour} * * *", zone)
    begin, end = local(zone, 2026, 1, 1), local(zone, 2027, 1, 1)
    expected = reference(hour, minute, ZoneInfo(zone), 2026)
    assert 365 == len(expected)
    assert expected == firings(found, begin - timedelta(seconds=1), end - timedelta(seconds=1))


def test_a_time_that_does_not_exist_fires_at_the_next_that_does() -> None:
    """Berlin has no 02:30 on 29 March 2026: the clock goes from 02:00 to 03:00."""
    found = timing("30 2 * * *", "Europe/Berlin")
    day = local("Europe/Berlin", 2026, 3, 28, 12), local("Europe/Berlin", 2026, 3, 30, 12)
    assert ["29 03:00+0200", "30 02:30+0200"] == shown(found, *day)


def test_a_time_that_comes_twice_fires_at_the_first() -> None:
    """Berlin has 02:30 twice on 25 October 2026."""
    found = timing("30 2 * * *", "Europe/Berlin")
    day = local("Europe/Berlin", 2026, 10, 24, 12), local("Europe/Berlin", 2026, 10, 26, 12)
    assert ["25 02:30+0200", "26 02:30+0100"] == shown(found, *day)


def test_a_schedule_made_in_the_second_of_two_hours_waits_for_the_next_day() -> None:
    """At the second 02:15 of that day, 02:30 has been: a firing is never before what it is asked after."""
    found = timing("30 2 * * *", "Europe/Berlin")
    asked = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    assert local("Europe/Berlin", 2026, 10, 26, 2, 30) == found.after(asked)


def test_a_wildcard_fires_every_real_hour() -> None:
    """23 times on the short day, 25 times on the long one, an hour apart."""
    found = timing("0 * * * *", "Europe/Berlin")
    for month, day, hours in ((3, 29, 23), (10, 25, 25)):
        begin = local("Europe/Berlin", 2026, month, day)
        end = local("Europe/Berlin", 2026, month, day + 1)
        times = firings(found, begin - timedelta(seconds=1), end - timedelta(seconds=1))
        assert [begin + timedelta(hours=n) for n in range(hours)] == times


def test_an_interval_is_counted_from_its_anchor() -> None:
    """Whatever moment is asked for; the anchor itself is none, unless it is a start that was asked for."""
    found = timing(every_s=90)
    assert EPOCH + timedelta(seconds=90) == found.after(EPOCH - timedelta(days=1))
    assert EPOCH + timedelta(seconds=180) == found.after(EPOCH + timedelta(seconds=90))
    start = EPOCH + timedelta(days=1)
    started = timing(every_s=90, anchor=start, start_at=start)
    assert start == started.after(EPOCH)
    assert start + timedelta(seconds=90) == started.after(start)


def test_nothing_fires_outside_of_its_days() -> None:
    """Start and end are included."""
    start, end = EPOCH + timedelta(days=2), EPOCH + timedelta(days=4)
    found = timing("0 0 * * *", start_at=start, end_at=end)
    assert [start, start + timedelta(days=1), end] == list(found.following(EPOCH))


@pytest.mark.parametrize("cron", ["* * * * *", "0 7 * * *", "0 0 1 * *", "0 0 1 1 *"])
def test_the_latest_firing_is_found_from_the_end(cron: str) -> None:
    """As a walk from the beginning would find it, without one."""
    found = timing(cron)
    until = EPOCH + timedelta(days=20, hours=3, seconds=7)
    since = until - timedelta(days=400 if cron.endswith("1 1 *") else 40)
    *_, expected = firings(found, since, until)
    assert expected == found.latest(since, until)


def test_the_latest_of_an_interval_is_reckoned() -> None:
    """A second's rhythm over a year is no walk; the end of the schedule is heeded."""
    until = EPOCH + timedelta(days=365, milliseconds=500)
    assert until - timedelta(milliseconds=500) == timing(every_s=1).latest(EPOCH, until)
    end = EPOCH + timedelta(days=1)
    assert end == timing(every_s=1, end_at=end).latest(EPOCH, until)
    assert timing(every_s=60).latest(EPOCH, EPOCH + timedelta(seconds=59)) is None


def test_macros_are_what_every_cron_means_by_them() -> None:
    """In any case; anything else is left as it is."""
    assert ("0 * * * *", "0 0 * * 0", "1 2 3 4 5") == (
        expression("@hourly"),
        expression("@WEEKLY"),
        expression("1 2 3 4 5"),
    )


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("0 0 0 * * *", "has six fields: seconds are not taken"),
        ("0 0 * *", "must have five fields"),
        ("@often", "is not a macro that is known: @yearly"),
        ("61 * * * *", "is not a cron expression: Bad minute"),
        ("0 0 30 2 *", "is not a cron expression: Bad day-of-month"),
        ("\N{ARABIC-INDIC DIGIT FIVE} * * * *", "is not a cron expression"),
    ],
)
def test_what_is_no_cron_expression_is_refused(cron: str, why: str) -> None:
    """With the reason, and the field."""
    with pytest.raises(InvalidRequest, match=why) as refused:
        check_cron(cron)
    assert ["cron"] == [field.path for field in refused.value.errors]


@pytest.mark.parametrize("zone", ["Mars/Base", "/etc/passwd", "../UTC", "", "europe/berlin"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    """By the list of zones: no path that a client names is opened."""
    with pytest.raises(InvalidRequest, match="is not an IANA time zone"):
        check_zone(zone)
