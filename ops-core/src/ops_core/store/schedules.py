"""Schedules on PostgreSQL, as the doors use them: every statement names the tenant."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.admission import UNLIMITED, AdmissionLimits
from ops_core.errors import (
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
)
from ops_core.family import DEFAULT_FAMILY_LIMITS, FamilyLimits
from ops_core.schedules.history import before
from ops_core.schedules.model import (
    FiringPage,
    Outcome,
    Schedule,
    SchedulePage,
    ScheduleSpec,
    Triggered,
    new_schedule_id,
)
from ops_core.schedules.plan import triggered_task
from ops_core.schedules.timing import timing_of
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.database import Database
from ops_core.store.rows import task_of
from ops_core.store.schedule_rows import (
    CHANGE,
    CREATE,
    PAUSE,
    advance,
    database_time,
    firing_of,
    record,
    schedule_of,
    spec_parameters,
)
from ops_core.store.submit import submit
from ops_core.task import NewTask

# One schedule. Index: primary key.
_GET: Final = text(
    "SELECT * FROM schedule WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id"
)

# One schedule, locked against a firing at the same time. Index: primary key.
_LOCK: Final = text(
    """
    SELECT * FROM schedule WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    FOR NO KEY UPDATE
    """
)

# The newest schedules. Index: schedule_for_list.
_PAGE: Final = text(
    """
    SELECT * FROM schedule WHERE tenant_id = :tenant_id
    ORDER BY created_at DESC, schedule_id DESC LIMIT :limit
    """
)

# The schedules behind a cursor. Index: schedule_for_list.
_PAGE_AFTER: Final = text(
    """
    SELECT * FROM schedule
    WHERE tenant_id = :tenant_id AND (created_at, schedule_id) < (:last_at, :last_id)
    ORDER BY created_at DESC, schedule_id DESC LIMIT :limit
    """
)

# Index: schedule_for_list.
_COUNT: Final = text("SELECT count(*) FROM schedule WHERE tenant_id = :tenant_id")

# The latest firings. Index: primary key of firing.
_FIRINGS: Final = text(
    """
    SELECT * FROM firing
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id AND number < :before
    ORDER BY number DESC LIMIT :limit
    """
)

# Index: primary key.
_RESUME: Final = text(
    """
    UPDATE schedule SET
        paused_at = NULL, paused_reason = NULL, next_fire_at = :next_fire_at, updated_at = :now
    WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    RETURNING *
    """
)

# A schedule and its history. Index: primary keys.
_DELETE: Final = text(
    """
    WITH history AS (
        DELETE FROM firing WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    )
    DELETE FROM schedule WHERE tenant_id = :tenant_id AND schedule_id = :schedule_id
    RETURNING schedule_id
    """
)


class SqlScheduleStore:
    """`ScheduleStore` on PostgreSQL. `ring_grace_s`: as of the task store."""

    def __init__(
        self,
        database: Database,
        *,
        ring_grace_s: float = 5.0,
        limits: FamilyLimits = DEFAULT_FAMILY_LIMITS,
        admission: AdmissionLimits = UNLIMITED,
    ) -> None:
        self._database = database
        self._ring_grace_s = ring_grace_s
        self._limits = limits
        self._admission = admission

    async def create(self, tenant_id: str, spec: ScheduleSpec, *, by: str) -> Schedule:
        async with self._database.begin_for(tenant_id) as connection:
            now = await database_time(connection)
            new = {
                "tenant_id": tenant_id,
                "schedule_id": new_schedule_id(),
                "created_by": by,
                "now": now,
                "next_fire_at": timing_of(spec, now).after(now),
            }
            row = (await connection.execute(CREATE, spec_parameters(spec) | new)).one_or_none()
        if row is None:
            raise ScheduleExists(spec.name)
        return schedule_of(row)

    async def get(self, tenant_id: str, schedule_id: str) -> Schedule:
        key = {"tenant_id": tenant_id, "schedule_id": schedule_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_GET, key)).one_or_none()
        if row is None:
            raise ScheduleNotFound(schedule_id)
        return schedule_of(row)

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> SchedulePage:
        asked: dict[str, object] = {"tenant_id": tenant_id, "limit": limit + 1}
        query = _PAGE
        if cursor is not None:
            query = _PAGE_AFTER
            asked["last_at"], asked["last_id"] = read_cursor(cursor)
        async with self._database.begin_for(tenant_id) as connection:
            total = (await connection.execute(_COUNT, asked)).scalar_one()
            rows = (await connection.execute(query, asked)).all()
        return SchedulePage(
            [schedule_of(row) for row in rows[:limit]],
            total,
            next_cursor(rows, limit, lambda last: (last.created_at, last.schedule_id)),
        )

    async def change(self, seen: Schedule, spec: ScheduleSpec) -> Schedule:
        try:
            async with self._database.begin_for(seen.tenant_id) as connection:
                stored = await _locked(connection, seen.tenant_id, seen.schedule_id)
                if stored.revision != seen.revision:
                    raise ScheduleChanged(seen.schedule_id)
                now = await database_time(connection)
                asked = spec_parameters(spec) | _key(stored) | {"now": now}
                asked["next_fire_at"] = _next(stored, spec, now) if not stored.paused_at else None
                return schedule_of((await connection.execute(CHANGE, asked)).one())
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) == "23505":  # unique_violation: the name
                raise ScheduleExists(spec.name) from None
            raise

    async def pause(self, tenant_id: str, schedule_id: str, reason: str | None) -> Schedule:
        async with self._database.begin_for(tenant_id) as connection:
            stored = await _locked(connection, tenant_id, schedule_id)
            asked = _key(stored) | {"reason": reason}
            row = (await connection.execute(PAUSE, asked)).one_or_none()
        return stored if row is None else schedule_of(row)

    async def resume(self, tenant_id: str, schedule_id: str) -> Schedule:
        async with self._database.begin_for(tenant_id) as connection:
            stored = await _locked(connection, tenant_id, schedule_id)
            if stored.paused_at is None:
                return stored
            now = await database_time(connection)
            asked = {"now": now, "next_fire_at": _next(stored, stored.spec, now)}
            return schedule_of((await connection.execute(_RESUME, _key(stored) | asked)).one())

    async def delete(self, tenant_id: str, schedule_id: str) -> None:
        key = {"tenant_id": tenant_id, "schedule_id": schedule_id}
        async with self._database.begin_for(tenant_id) as connection:
            await _locked(connection, tenant_id, schedule_id)
            await connection.execute(_DELETE, key)

    async def trigger(
        self, tenant_id: str, schedule_id: str, template: NewTask, *, key: str | None
    ) -> Triggered:
        async with self._database.begin_for(tenant_id) as connection:
            stored = await _locked(connection, tenant_id, schedule_id)
            row, created = await submit(
                connection,
                triggered_task(stored, template, key),
                ring_grace_s=self._ring_grace_s,
                limits=self._limits,
                admission=self._admission,
            )
            if created:
                number, task_id = stored.firings + 1, row.task_id
                now = await database_time(connection)
                await record(
                    connection, stored, number, now, Outcome.TASK, is_manual=True, task_id=task_id
                )
                await advance(connection, replace(stored, firings=number, last_task_id=task_id))
        return Triggered(task_of(row), created)

    async def firings(
        self, tenant_id: str, schedule_id: str, *, limit: int, cursor: str | None
    ) -> FiringPage:
        asked: dict[str, object] = {"tenant_id": tenant_id, "schedule_id": schedule_id}
        asked |= {"before": before(cursor), "limit": limit + 1}
        async with self._database.begin_for(tenant_id) as connection:
            if (await connection.execute(_GET, asked)).one_or_none() is None:
                raise ScheduleNotFound(schedule_id)
            rows = (await connection.execute(_FIRINGS, asked)).all()
        found = [firing_of(row) for row in rows[:limit]]
        return FiringPage(found, str(found[-1].number) if len(rows) > limit else None)

    async def now(self) -> datetime:
        async with self._database.begin() as connection:
            return await database_time(connection)


async def _locked(connection: AsyncConnection, tenant_id: str, schedule_id: str) -> Schedule:
    key = {"tenant_id": tenant_id, "schedule_id": schedule_id}
    row = (await connection.execute(_LOCK, key)).one_or_none()
    if row is None:
        raise ScheduleNotFound(schedule_id)
    return schedule_of(row)


def _key(schedule: Schedule) -> dict[str, object]:
    return {"tenant_id": schedule.tenant_id, "schedule_id": schedule.schedule_id}


def _next(stored: Schedule, spec: ScheduleSpec, now: datetime) -> datetime | None:
    """The next firing from now; never one that was carried out, even should the clock go back."""
    return timing_of(spec, stored.created_at).after(max(now, stored.last_fired_at or now))
