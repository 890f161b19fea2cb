"""What clients see: the JSON of schedules and of their firings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.schedules.model import (
    Firing,
    FiringPage,
    Missed,
    Outcome,
    Overlap,
    Schedule,
    SchedulePage,
)


class ScheduleView(BaseModel):
    """A schedule."""

    schedule_id: str = Field(examples=["sch_0123456789abcdef0123456789abcdef"])
    tenant_id: str
    name: str
    cron: str | None = Field(examples=["30 7 * * mon-fri"])
    every_s: int | None
    time_zone: str = Field(examples=["Europe/Berlin"])
    task: dict[str, Any] = Field(description="The request that each firing submits.")
    overlap: Overlap
    missed: Missed
    catchup_window_s: float
    start_at: Time | None
    end_at: Time | None
    jitter_s: float
    labels: dict[str, str]
    created_by: str
    created_at: Time
    updated_at: Time
    paused_at: Time | None
    paused_reason: str | None
    next_fire_at: Time | None = Field(
        description="Null when it is paused, or when nothing comes before `end_at`."
    )
    last_fired_at: Time | None = Field(
        description="The time in its calendar of the latest firing, whatever became of that."
    )
    last_task_id: str | None
    queued: int = Field(description="Firings that wait for the task of the one before.")

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        spec = schedule.spec
        return cls(
            schedule_id=schedule.schedule_id,
            tenant_id=schedule.tenant_id,
            name=spec.name,
            cron=spec.cron,
            every_s=spec.every_s,
            time_zone=spec.time_zone,
            task=spec.task,
            overlap=spec.overlap,
            missed=spec.missed,
            catchup_window_s=spec.catchup_window_s,
            start_at=spec.start_at,
            end_at=spec.end_at,
            jitter_s=spec.jitter_s,
            labels=dict(spec.labels),
            created_by=schedule.created_by,
            created_at=schedule.created_at,
            updated_at=schedule.updated_at,
            paused_at=schedule.paused_at,
            paused_reason=schedule.paused_reason,
            next_fire_at=schedule.next_fire_at,
            last_fired_at=schedule.last_fired_at,
            last_task_id=schedule.last_task_id,
            queued=schedule.queued,
        )


class SchedulePageView(BaseModel):
    """One page of schedules, newest first."""

    schedules: list[ScheduleView]
    total: int = Field(description="How many there are, on all pages.")
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: SchedulePage) -> Self:
        views = [ScheduleView.of(schedule) for schedule in page.schedules]
        return cls(schedules=views, total=page.total, next_cursor=page.next_cursor)


class UpcomingView(BaseModel):
    """When a schedule fires next, as if it were not paused."""

    times: list[Time]

    @classmethod
    def of(cls, times: Sequence[datetime]) -> Self:
        return cls(times=list(times))


class FiringView(BaseModel):
    """What became of one firing."""

    number: int = Field(description="1, 2, 3, … for each schedule.")
    fire_at: Time = Field(description="Its time in the calendar; when it was, if a person asked.")
    outcome: Outcome
    manual: bool = Field(description="Whether a person asked for it.")
    reason: str | None = Field(description="Why it has no task.")
    task_id: str | None
    recorded_at: Time

    @classmethod
    def of(cls, firing: Firing) -> Self:
        return cls(
            number=firing.number,
            fire_at=firing.fire_at,
            outcome=firing.outcome,
            manual=firing.is_manual,
            reason=firing.reason,
            task_id=firing.task_id,
            recorded_at=firing.recorded_at,
        )


class FiringPageView(BaseModel):
    """One page of firings, newest first."""

    firings: list[FiringView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: FiringPage) -> Self:
        views = [FiringView.of(firing) for firing in page.firings]
        return cls(firings=views, next_cursor=page.next_cursor)
