"""Between rows and values of schedules, and the statements that the doors and the dispatcher share."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.schedules.model import (
    KEPT_FIRINGS,
    Firing,
    Missed,
    Outcome,
    Overlap,
    Schedule,
    ScheduleSpec,
)
from ops_core.store.moves import statement
from ops_core.store.rows import Row

# Adds a firing to the history. Index: primary key.
_RECORD: Final = text(
    """
    INSERT INTO firing (
        tenant_id, schedule_id, number, fire_at, outcome, is_manual, reason, task_id, recorded_at
    )
    VALUES (
        :tenant_id, :schedule_id, :number, :fire_at, :outcome, :is_manual, :reason, :task_id, ops_now()
    )
    """
)

# Where a schedule stands after its firings. Index: primary key.
_ADVANCE: Final = text(
    """
    UPDATE schedule SET
        next_fire_at  = :next_fire_at,
        last_fired_at = :last_fired_at,
        last_task_id  = :last_task_id,
        queued        = :queued,
        firings       = :firings
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    RETURNING *
    """
)

# Forgets the oldest firings of a schedule, but for those that still wait. Index: primary key.
_FORGET: Final = text(
    """
    DELETE FROM firing
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
      AND number <= :number AND outcome <> 'queued'
    """
)

PAUSE: Final = text(
    """
    UPDATE schedule SET
        paused_at = ops_now(), paused_reason = :reason, next_fire_at = NULL, updated_at = ops_now()
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id AND paused_at IS NULL
    RETURNING *
    """
)
"""No firing until it is resumed. Index: primary key."""

CREATE: Final = statement(
    """
    INSERT INTO schedule (
        tenant_id, schedule_id, name, cron, every_s, time_zone, task, overlap, missed,
        catchup_window_s, start_at, end_at, jitter_s, labels, created_by, created_at, updated_at,
        next_fire_at
    )
    VALUES (
        :tenant_id, :schedule_id, :name, :cron, :every_s, :time_zone, :task, :overlap, :missed,
        :catchup_window_s, :start_at, :end_at, :jitter_s, :labels, :created_by, :now, :now,
        :next_fire_at
    )
    ON CONFLICT (tenant_id, name) DO NOTHING
    RETURNING *
    """,
    "task",
    "labels",
)
"""Stores a schedule, or nothing when its name is taken. Index: schedule_name."""

CHANGE: Final = statement(
    """
    UPDATE schedule SET
        name = :name, cron = :cron, every_s = :every_s, time_zone = :time_zone, task = :task,
        overlap = :overlap, missed = :missed, catchup_window_s = :catchup_window_s,
        start_at = :start_at, end_at = :end_at, jitter_s = :jitter_s, labels = :labels,
        updated_at = :now, next_fire_at = :next_fire_at, revision = revision + 1
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    RETURNING *
    """,
    "task",
    "labels",
)
"""Replaces what a client asked for. Index: primary key."""


async def database_time(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(text("SELECT ops_now()"))).scalar_one()
    return now


async def record(
    connection: AsyncConnection,
    schedule: Schedule,
    number: int,
    fire_at: datetime,
    outcome: Outcome,
    *,
    is_manual: bool = False,
    reason: str | None = None,
    task_id: str | None = None,
) -> None:
    """One firing of the history."""
    firing = {
        "tenant_id": schedule.tenant_id,
        "schedule_id": schedule.schedule_id,
        "number": number,
        "fire_at": fire_at,
        "outcome": outcome.value,
        "is_manual": is_manual,
        "reason": reason,
        "task_id": task_id,
    }
    await connection.execute(_RECORD, firing)


async def advance(connection: AsyncConnection, schedule: Schedule) -> Schedule:
    """Stores where the schedule stands, and forgets what is too old of its history."""
    standing = {
        "tenant_id": schedule.tenant_id,
        "schedule_id": schedule.schedule_id,
        "next_fire_at": schedule.next_fire_at,
        "last_fired_at": schedule.last_fired_at,
        "last_task_id": schedule.last_task_id,
        "queued": schedule.queued,
        "firings": schedule.firings,
    }
    row = (await connection.execute(_ADVANCE, standing)).one()
    await connection.execute(_FORGET, standing | {"number": schedule.firings - KEPT_FIRINGS})
    return schedule_of(row)


def spec_parameters(spec: ScheduleSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "cron": spec.cron,
        "every_s": spec.every_s,
        "time_zone": spec.time_zone,
        "task": spec.task,
        "overlap": spec.overlap.value,
        "missed": spec.missed.value,
        "catchup_window_s": spec.catchup_window_s,
        "start_at": spec.start_at,
        "end_at": spec.end_at,
        "jitter_s": spec.jitter_s,
        "labels": dict(spec.labels),
    }


def schedule_of(row: Row) -> Schedule:
    return Schedule(
        schedule_id=row.schedule_id,
        tenant_id=row.tenant_id,
        spec=ScheduleSpec(
            name=row.name,
            cron=row.cron,
            every_s=row.every_s,
            time_zone=row.time_zone,
            task=row.task,
            overlap=Overlap(row.overlap),
            missed=Missed(row.missed),
            catchup_window_s=row.catchup_window_s,
            start_at=row.start_at,
            end_at=row.end_at,
            jitter_s=row.jitter_s,
            labels=row.labels,
        ),
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        paused_at=row.paused_at,
        paused_reason=row.paused_reason,
        next_fire_at=row.next_fire_at,
        last_fired_at=row.last_fired_at,
        last_task_id=row.last_task_id,
        queued=row.queued,
        firings=row.firings,
        revision=row.revision,
    )


def firing_of(row: Row) -> Firing:
    return Firing(
        number=row.number,
        fire_at=row.fire_at,
        outcome=Outcome(row.outcome),
        is_manual=row.is_manual,
        reason=row.reason,
        task_id=row.task_id,
        recorded_at=row.recorded_at,
    )
