"""What a client may ask of a schedule: parsed and bounded here, whatever the door."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from ops_core.bodies import parsed, parsed_json
from ops_core.request import MAX_LABELS, MAX_SECONDS, Label, LabelKey, is_storable_time
from ops_core.schedules.model import Missed, Overlap, ScheduleSpec
from ops_core.schedules.template import template
from ops_core.schedules.timing import check_cron, check_zone
from ops_core.task import JsonObject

#: The longest that missed firings are made up for. Seconds.
MAX_CATCHUP_S: Final = 31 * 86_400.0

MAX_REASON_LENGTH: Final = 500

Name = Annotated[str, Field(min_length=1, max_length=200)]


class ScheduleRequest(BaseModel):
    """A schedule: when (`cron` in a time zone, or `every_s`), and the task that each firing submits."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    name: Name = Field(description="Unique for the tenant.")
    cron: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Five fields, or @hourly, @daily, @weekly, @monthly, @yearly.",
        examples=["30 7 * * mon-fri"],
    )
    every_s: int | None = Field(
        None, ge=1, le=int(MAX_SECONDS), description="Seconds from `start_at`, or from creation."
    )
    time_zone: str = Field("UTC", min_length=1, max_length=100, examples=["Europe/Berlin"])
    task: dict[str, Any] = Field(
        description="The body of a `POST /api/v1/tasks/`.",
        examples=[{"task_type": "agent_run", "input_data": {"goal": "Sum up the news."}}],
    )
    overlap: Overlap = Field(
        Overlap.SKIP,
        strict=False,
        description="While the task of the firing before has not ended: no task, one after it, one at once.",
    )
    missed: Missed = Field(
        Missed.RUN_ONCE,
        strict=False,
        description="What is done about firings that nobody carried out in their minute.",
    )
    catchup_window_s: float = Field(
        86_400.0, ge=0, le=MAX_CATCHUP_S, description="Older missed firings are dropped."
    )
    start_at: AwareDatetime | None = Field(None, description="No firing before it.")
    end_at: AwareDatetime | None = Field(None, description="No firing after it.")
    jitter_s: float = Field(
        0.0, ge=0, le=86_400, description="Each task starts up to so much later."
    )
    labels: dict[LabelKey, Label] = Field(default_factory=dict, max_length=MAX_LABELS)

    @field_validator("labels", mode="before")
    @classmethod
    def _few(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > MAX_LABELS:
            raise ValueError(f"has more than {MAX_LABELS} labels")
        return value

    @field_validator("start_at", "end_at")
    @classmethod
    def _storable_time(cls, value: datetime | None) -> datetime | None:
        if value is not None and not is_storable_time(value):
            raise ValueError("must lie between the years 1970 and 9000")
        return value

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if (self.cron is None) == (self.every_s is None):
            raise ValueError("send one of cron and every_s")
        if self.start_at and self.end_at and self.end_at < self.start_at:
            raise ValueError("end_at lies before start_at")
        return self

    def spec(self) -> ScheduleSpec:
        return ScheduleSpec(
            **self.model_dump(exclude={"start_at", "end_at"}),
            start_at=self.start_at.astimezone(UTC) if self.start_at else None,
            end_at=self.end_at.astimezone(UTC) if self.end_at else None,
        )


class ScheduleChange(BaseModel):
    """What is to be different; whatever is left out stays. `null` takes `cron`, `every_s` or a limit away."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    name: Name | None = None
    cron: str | None = Field(None, max_length=200)
    every_s: int | None = None
    time_zone: str | None = Field(None, max_length=100)
    task: dict[str, Any] | None = None
    overlap: Overlap | None = Field(None, strict=False)
    missed: Missed | None = Field(None, strict=False)
    catchup_window_s: float | None = None
    start_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    jitter_s: float | None = None
    labels: dict[str, Any] | None = None

    def sent(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.model_fields_set}


class PauseRequest(BaseModel):
    """Why a schedule is paused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str | None = Field(None, max_length=MAX_REASON_LENGTH)


def parse_schedule(data: JsonObject) -> ScheduleRequest:
    """Raises `InvalidRequest` naming each wrong field; the template is only parsed, not yet judged."""
    return checked(parsed(ScheduleRequest, data))


def parse_schedule_json(body: bytes) -> ScheduleRequest:
    """As `parse_schedule`, from JSON text."""
    return checked(parsed_json(ScheduleRequest, body))


def parse_change_json(body: bytes) -> ScheduleChange:
    """Raises `InvalidRequest` naming each wrong field."""
    return parsed_json(ScheduleChange, body)


def parse_change(data: JsonObject) -> ScheduleChange:
    """As `parse_change_json`, of what is already Python data."""
    return parsed(ScheduleChange, data)


def parse_pause_json(body: bytes) -> PauseRequest:
    """Raises `InvalidRequest`. No body at all is no reason."""
    return parsed_json(PauseRequest, body or b"{}")


def parse_pause(data: JsonObject) -> PauseRequest:
    """Raises `InvalidRequest`."""
    return parsed(PauseRequest, data)


def checked(request: ScheduleRequest) -> ScheduleRequest:
    """Raises `InvalidRequest` for an expression, a zone or a template that cannot be used."""
    if request.cron is not None:
        check_cron(request.cron)
    check_zone(request.time_zone)
    template(request.task)
    return request
