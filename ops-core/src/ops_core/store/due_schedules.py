"""Schedules on PostgreSQL, as the dispatcher uses them: of all tenants."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.admission import UNLIMITED, AdmissionLimits
from ops_core.family import DEFAULT_FAMILY_LIMITS, FamilyLimits
from ops_core.schedules.model import Outcome, Schedule
from ops_core.schedules.plan import NO_ROOM, Planned, has_due, plan, task_for
from ops_core.store.database import Database
from ops_core.store.schedule_rows import PAUSE, advance, database_time, record, schedule_of
from ops_core.store.submit import submit
from ops_core.task import NewTask

# Schedules whose time has come (index: schedule_for_firing), and those of which a firing waits for a task
# that has ended since (indexes: schedule_for_queue, primary key of task). The latter in no order: one that
# finds no room comes again with every look, and must not hide the others. Those of a disabled tenant stand
# still: what they miss is made up for by their own rules once it is enabled.
_DUE: Final = text(
    """
    (
        SELECT * FROM schedule
        WHERE next_fire_at <= ops_now()
          AND tenant_id NOT IN (SELECT tenant_id FROM tenant WHERE disabled_at IS NOT NULL)
        ORDER BY next_fire_at LIMIT :limit
    )
    UNION ALL
    (
        SELECT s.* FROM schedule AS s
        WHERE s.queued > 0 AND s.paused_at IS NULL
          AND (s.next_fire_at IS NULL OR s.next_fire_at > ops_now())
          AND s.tenant_id NOT IN (SELECT tenant_id FROM tenant WHERE disabled_at IS NOT NULL)
          AND NOT EXISTS (
              SELECT FROM task AS t
              WHERE t.tenant_id = s.tenant_id AND t.task_id = s.last_task_id
                AND t.status IN ('pending', 'running', 'waiting'))
        ORDER BY random() LIMIT :limit
    )
    """
)

# The schedule as it was seen, if nobody else holds it or has carried it out. Index: primary key.
_TAKE: Final = text(
    """
    SELECT * FROM schedule
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id AND paused_at IS NULL
      AND revision = :revision AND firings = :firings AND queued = :queued
      AND next_fire_at IS NOT DISTINCT FROM :next_fire_at
    FOR NO KEY UPDATE SKIP LOCKED
    """
)

# Whether the last task of a schedule is under way. Index: primary key.
_IS_BUSY: Final = text(
    """
    SELECT count(*) > 0 FROM task
    WHERE tenant_id = :tenant_id AND task_id = :task_id
      AND status IN ('pending', 'running', 'waiting')
    """
)

# The oldest firing that waits. Index: firing_queued.
_QUEUED: Final = text(
    """
    SELECT number, fire_at FROM firing
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id AND outcome = 'queued'
    ORDER BY number LIMIT 1
    """
)

# Index: primary key.
_RELEASE: Final = text(
    """
    UPDATE firing SET outcome = 'task', task_id = :task_id
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id AND number = :number
    """
)


#: Tasks that one schedule gets in one pass, each in a transaction of its own; further ones are due at once.
_AT_ONCE: Final = 20


class SqlDueStore:
    """`DueStore` on PostgreSQL."""

    def __init__(
        self,
        database: Database,
        *,
        limits: FamilyLimits = DEFAULT_FAMILY_LIMITS,
        admission: AdmissionLimits = UNLIMITED,
    ) -> None:
        self._database = database
        self._limits = limits
        self._admission = admission

    async def due(self, limit: int) -> Sequence[Schedule]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(_DUE, {"limit": limit})).all()
        return [schedule_of(row) for row in rows]

    async def fire(self, seen: Schedule, template: NewTask) -> int:
        done = 0
        for _ in range(_AT_ONCE):
            rest, count = await self._fire_one(seen, template)
            done += count
            if rest is None:
                break
            seen = rest
        return done

    async def _fire_one(self, seen: Schedule, template: NewTask) -> tuple[Schedule | None, int]:
        """The schedule, if more of it is due, and how many firings that were: with one task at most.

        A transaction that submitted several would hold the rows of one of them (its thread, the limit of its
        tenant) while it waits for those of the next.
        """
        async with self._database.begin() as connection:
            schedule = await _taken(connection, seen)
            if schedule is None:
                return None, 0
            now = await database_time(connection)
            planned = plan(schedule, now, is_busy=await _is_busy(connection, schedule)).until_task()
            if planned.releases_queued:
                released = await self._release(connection, schedule, template)
                if released is not None:
                    schedule = await advance(connection, released)
                    return schedule if has_due(schedule, now) else None, 1
            for firing in planned.firings:
                schedule = await self._carry_out(connection, schedule, template, firing)
            standing = replace(schedule, next_fire_at=planned.next_fire_at)
            schedule = await advance(connection, standing)
        return schedule if has_due(schedule, now) else None, len(planned.firings)

    async def fail(self, seen: Schedule, reason: str) -> bool:
        async with self._database.begin() as connection:
            schedule = await _taken(connection, seen)
            if schedule is None:
                return False
            now = await database_time(connection)
            at = min(schedule.next_fire_at or now, now)
            number = schedule.firings + 1
            await record(connection, schedule, number, at, Outcome.FAILED, reason=reason[:500])
            await advance(connection, replace(schedule, firings=number, last_fired_at=at))
            key = {"tenant_id": schedule.tenant_id, "schedule_id": schedule.schedule_id}
            await connection.execute(PAUSE, key | {"reason": reason[:500]})
        return True

    async def _release(
        self, connection: AsyncConnection, schedule: Schedule, template: NewTask
    ) -> Schedule | None:
        """None where there is no room for its task: then it waits on."""
        key = {"tenant_id": schedule.tenant_id, "schedule_id": schedule.schedule_id}
        waiting = (await connection.execute(_QUEUED, key)).one()
        firing = await self._submitted(
            connection, schedule, template, Planned(waiting.fire_at, Outcome.TASK)
        )
        if firing.task_id is None:
            return None
        released = {"number": waiting.number, "task_id": firing.task_id}
        await connection.execute(_RELEASE, key | released)
        return replace(schedule, queued=schedule.queued - 1, last_task_id=firing.task_id)

    async def _carry_out(
        self, connection: AsyncConnection, schedule: Schedule, template: NewTask, firing: Planned
    ) -> Schedule:
        number = schedule.firings + 1
        if firing.outcome is Outcome.TASK:
            firing = await self._submitted(connection, schedule, template, firing)
        await record(
            connection,
            schedule,
            number,
            firing.fire_at,
            firing.outcome,
            reason=firing.reason,
            task_id=firing.task_id,
        )
        return replace(
            schedule,
            firings=number,
            last_fired_at=firing.fire_at,
            last_task_id=firing.task_id or schedule.last_task_id,
            queued=schedule.queued + (firing.outcome is Outcome.QUEUED),
        )

    async def _submitted(
        self, connection: AsyncConnection, schedule: Schedule, template: NewTask, firing: Planned
    ) -> Planned:
        """The firing with its task; or skipped, where too much is under way."""
        new = task_for(schedule, template, firing.fire_at)
        try:
            async with connection.begin_nested():  # a thread refuses what is stored already
                # Nobody rings but the dispatcher that this runs in, at the end of the same pass.
                row, _ = await submit(
                    connection,
                    new,
                    ring_grace_s=0.0,
                    limits=self._limits,
                    admission=self._admission,
                )
        except NO_ROOM as refused:
            return firing.refused(refused)
        return replace(firing, task_id=str(row.task_id))


async def _taken(connection: AsyncConnection, seen: Schedule) -> Schedule | None:
    asked = {
        "tenant_id": seen.tenant_id,
        "schedule_id": seen.schedule_id,
        "revision": seen.revision,
        "firings": seen.firings,
        "queued": seen.queued,
        "next_fire_at": seen.next_fire_at,
    }
    row = (await connection.execute(_TAKE, asked)).one_or_none()
    return None if row is None else schedule_of(row)


async def _is_busy(connection: AsyncConnection, schedule: Schedule) -> bool:
    key = {"tenant_id": schedule.tenant_id, "task_id": schedule.last_task_id}
    return bool((await connection.execute(_IS_BUSY, key)).scalar_one())
