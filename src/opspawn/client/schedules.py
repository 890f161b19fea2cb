"""Schedules: what the server says of them, and the calls."""

from datetime import datetime
from typing import Any

from pydantic import Field, TypeAdapter

from opspawn.client.call import Call, Json, forget, get, given, patch, post, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, Task, View


class Schedule(View):
    """A task that is submitted by the clock."""

    schedule_id: str
    tenant_id: str = "default"
    name: str
    cron: str | None = None
    every_s: int | None = None
    time_zone: str = "UTC"
    task: dict[str, Any]
    overlap: str
    missed: str
    catchup_window_s: float = 86_400.0
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_s: float = 0.0
    labels: dict[str, str] = Field(default_factory=dict)
    paused_at: datetime | None = None
    paused_reason: str | None = None
    next_fire_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_task_id: str | None = None
    queued: int = 0
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


class Firing(View):
    """What became of one firing."""

    number: int
    fire_at: datetime
    outcome: str
    manual: bool = False
    reason: str | None = None
    task_id: str | None = None
    recorded_at: datetime | None = None


def body(name: str, task: Json, cron: str | None, every_s: int | None, fields: Json) -> Json:
    """What `create` sends."""
    return given({"name": name, "task": task, "cron": cron, "every_s": every_s, **fields})


def create(body: Json) -> Call[Schedule]:
    # A second one would be told that the name is taken, and not by whom.
    return post("/schedules/", Schedule.model_validate, body, repeatable=False)


def schedule(schedule_id: str) -> Call[Schedule]:
    return get(_path(schedule_id), Schedule.model_validate)


def schedules(where: Json) -> Call[Page[Schedule]]:
    return get("/schedules/", page_of("schedules", Schedule), **where)


def change(schedule_id: str, fields: Json) -> Call[Schedule]:
    return patch(_path(schedule_id), Schedule.model_validate, fields)


def remove(schedule_id: str) -> Call[None]:
    return forget(_path(schedule_id))


def pause(schedule_id: str, reason: str | None) -> Call[Schedule]:
    return post(f"{_path(schedule_id)}/pause", Schedule.model_validate, {"reason": reason})


def resume(schedule_id: str) -> Call[Schedule]:
    return post(f"{_path(schedule_id)}/resume", Schedule.model_validate)


def trigger(schedule_id: str, key: str | None) -> Call[Task]:
    return post(f"{_path(schedule_id)}/trigger", Task.model_validate, key=key)


def upcoming(schedule_id: str, count: int) -> Call[list[datetime]]:
    return get(f"{_path(schedule_id)}/next", _times, count=count)


def firings(schedule_id: str, **where: Any) -> Call[Page[Firing]]:
    return get(f"{_path(schedule_id)}/firings", page_of("firings", Firing), **where)


def _times(body: Json) -> list[datetime]:
    return TypeAdapter(list[datetime]).validate_python(body.get("times", []))


def _path(schedule_id: str) -> str:
    return f"/schedules/{segment(schedule_id)}"
