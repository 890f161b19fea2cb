"""What is due of a schedule: pure, so that every store decides alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Final

from ops_core.errors import CallerError, NotNow, ThreadBusy
from ops_core.schedules.model import Missed, Outcome, Overlap, Schedule
from ops_core.schedules.timing import Timing, timing_of
from ops_core.task import NewTask, new_task_id

#: A firing that is found so much later than its time was missed; a dispatcher looks several times a second,
#: and one that is restarted is back sooner. Seconds.
ON_TIME_S: Final = 60.0

#: Firings planned in one look; what is left is due at once.
BATCH: Final = 100

NO_ROOM: Final = (NotNow, ThreadBusy)
"""Why a firing gets no task now, and may get one later: no reason to pause its schedule."""

#: Firings that may wait for the task of the one before; a further one is skipped.
MAX_QUEUED: Final = 100


@dataclass(frozen=True, slots=True)
class Planned:
    """One firing, and what is to become of it."""

    fire_at: datetime
    outcome: Outcome
    reason: str | None = None
    task_id: str | None = None

    def refused(self, why: CallerError) -> "Planned":
        """Skipped: it is not tried again, for who waits for room with all that is due stands in the way of
        other schedules. One that was queued waits on, and lets others pass.
        """
        return replace(self, outcome=Outcome.SKIPPED, reason=str(why))


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at a schedule comes to."""

    releases_queued: bool
    """The oldest of the queued firings gets its task."""

    firings: list[Planned]
    next_fire_at: datetime | None

    def until_task(self) -> "Plan":
        """The firings up to the first that gets a task; those behind it are due at once."""
        tasks = (n for n, firing in enumerate(self.firings) if firing.outcome is Outcome.TASK)
        end = next(tasks, len(self.firings)) + 1
        if end >= len(self.firings):
            return self
        return replace(self, firings=self.firings[:end], next_fire_at=self.firings[end].fire_at)


def plan(schedule: Schedule, now: datetime, *, is_busy: bool) -> Plan:
    """`is_busy`: the last task of the schedule has not ended."""
    releases = schedule.queued > 0 and not is_busy
    due, rest = _due(schedule, now)
    firings = list(_judged(schedule, due, is_busy or releases, schedule.queued - releases))
    return Plan(releases, firings, rest)


def has_due(schedule: Schedule, now: datetime) -> bool:
    return schedule.next_fire_at is not None and schedule.next_fire_at <= now


def _due(schedule: Schedule, now: datetime) -> tuple[list[Planned], datetime | None]:
    """The firings up to now (those that are lost as one entry), and when the one after them is."""
    if not has_due(schedule, now):
        return [], schedule.next_fire_at
    assert schedule.next_fire_at is not None
    timing = timing_of(schedule.spec, schedule.created_at)
    since, lost = _kept_since(schedule, timing, schedule.next_fire_at, now)
    found = list(islice(_until(timing, since, now), BATCH))
    planned = [Planned(at, Outcome.TASK) for at in found]
    if lost is not None:
        reason = "it was too late when a dispatcher looked"
        planned.insert(0, Planned(lost, Outcome.MISSED, reason))
    last = planned[-1].fire_at if planned else now
    return planned, timing.after(last)


def _kept_since(
    schedule: Schedule, timing: Timing, first: datetime, now: datetime
) -> tuple[datetime, datetime | None]:
    """From when on firings are carried out, and the last one that is lost, for all of those."""
    spec = schedule.spec
    since = now - timedelta(seconds=ON_TIME_S)
    oldest = now - timedelta(seconds=max(ON_TIME_S, spec.catchup_window_s))
    just_before = since - timedelta(microseconds=1)
    match spec.missed:
        case Missed.RUN_ALL:
            since = oldest
        case Missed.RUN_ONCE:
            since = timing.latest(max(first, oldest), just_before) or since
        case Missed.SKIP:
            pass
    if first >= since:
        return first, None
    return since, timing.latest(first, since - timedelta(microseconds=1))


def _until(timing: Timing, since: datetime, now: datetime) -> Iterator[datetime]:
    for at in timing.following(since - timedelta(microseconds=1)):
        if at > now:
            return
        yield at


def _judged(
    schedule: Schedule, due: list[Planned], is_busy: bool, queued: int
) -> Iterator[Planned]:
    """Applies the overlap policy, one firing after the other."""
    for firing in due:
        if firing.outcome is Outcome.MISSED or schedule.spec.overlap is Overlap.ALLOW:
            yield firing
        elif not is_busy and not queued:
            is_busy = True
            yield firing
        elif schedule.spec.overlap is Overlap.SKIP:
            reason = "the task of the firing before had not ended"
            yield replace(firing, outcome=Outcome.SKIPPED, reason=reason)
        elif queued >= MAX_QUEUED:
            reason = f"{MAX_QUEUED} firings were waiting already"
            yield replace(firing, outcome=Outcome.SKIPPED, reason=reason)
        else:
            queued += 1
            yield replace(firing, outcome=Outcome.QUEUED)


def task_for(schedule: Schedule, template: NewTask, fire_at: datetime) -> NewTask:
    """The one task of a firing: whoever submits it again submits the same."""
    key = f"schedule:{schedule.schedule_id}:{fire_at.isoformat()}"
    jitter_s = _part_of(key) * schedule.spec.jitter_s
    return replace(
        template,
        task_id=new_task_id(),
        idempotency_key=key,
        request_hash=sha256(key.encode()).hexdigest(),
        scheduled_at=fire_at + timedelta(seconds=jitter_s) if jitter_s else None,
    )


def triggered_task(schedule: Schedule, template: NewTask, key: str | None) -> NewTask:
    """The task of a firing that a person asked for; the same `key` is the same firing."""
    if key is None:
        return replace(template, task_id=new_task_id())
    digest = sha256(key.encode()).hexdigest()
    return replace(
        template,
        task_id=new_task_id(),
        idempotency_key=f"schedule:{schedule.schedule_id}:manual:{digest}",
        request_hash=digest,
    )


def _part_of(key: str) -> float:
    """A number in [0, 1) that is always the same for the same key."""
    return int.from_bytes(sha256(key.encode()).digest()[:6], "big") / 2**48
