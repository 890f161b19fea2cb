"""What a schedule is, and what became of its firings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from ops_core.task import JsonObject, Task


class Overlap(StrEnum):
    """What a firing does while the task of the one before has not ended."""

    SKIP = "skip"
    """No task: it is recorded as skipped."""

    QUEUE = "queue"
    """Its task is submitted when the one before has ended, however that ended."""

    ALLOW = "allow"
    """Its task is submitted at once."""


class Missed(StrEnum):
    """What is done about firings whose time passed while no dispatcher ran."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    """The latest of them runs, for all."""

    RUN_ALL = "run_all"


class Outcome(StrEnum):
    """What became of a firing."""

    TASK = "task"
    QUEUED = "queued"
    """Its task comes when the one before has ended."""

    SKIPPED = "skipped"
    """By its overlap policy, or because too much was under way, maybe in its thread; `reason` says which."""
    MISSED = "missed"
    """For this time and every earlier one since the firing before."""

    FAILED = "failed"
    """Its task could not be submitted; the schedule was paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """What a client asks for; one of `cron` and `every_s` is set."""

    name: str
    cron: str | None
    every_s: int | None
    time_zone: str
    task: JsonObject
    """The request that each firing submits, as it was sent."""

    overlap: Overlap
    missed: Missed
    catchup_window_s: float
    start_at: datetime | None
    end_at: datetime | None
    jitter_s: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it is stored."""

    schedule_id: str
    tenant_id: str
    spec: ScheduleSpec
    created_by: str
    created_at: datetime
    updated_at: datetime
    paused_at: datetime | None
    paused_reason: str | None
    next_fire_at: datetime | None
    """None when it is paused, or when there is no further firing before `end_at`."""

    last_fired_at: datetime | None
    """The time in the calendar of its latest firing, whatever became of that."""

    last_task_id: str | None
    queued: int
    """Firings that wait for the task of the one before."""

    firings: int
    """How many there were; the number of the latest."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing, as the history keeps it."""

    number: int
    """1, 2, 3, … for each schedule."""

    fire_at: datetime
    """Its time in the calendar; of one that a person triggered, when that was."""

    outcome: Outcome
    is_manual: bool
    reason: str | None
    task_id: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Triggered:
    """The task that a person asked a schedule for, and whether this request is the one that stored it."""

    task: Task
    created: bool


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """One page, newest first. `next_cursor` is None on the last page."""

    schedules: list[Schedule]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FiringPage:
    """One page, newest first. `next_cursor` is None on the last page."""

    firings: list[Firing]
    next_cursor: str | None


#: Firings of one schedule that its history keeps.
KEPT_FIRINGS: Final = 1000


def new_schedule_id() -> str:
    return f"sch_{uuid4().hex}"
