"""What a client may ask of a webhook: parsed and bounded here, whatever the door."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ops_core.hook import (
    DECIDES,
    DEFAULT_EVENTS,
    MAX_PATTERNS,
    MAX_URL_LENGTH,
    Pattern,
    checked_decides,
    checked_patterns,
    checked_url,
)
from ops_core.request import MAX_LABELS, Label, LabelKey
from ops_core.task import JsonObject
from ops_core.webhooks.model import HookSpec

#: The longest that two secrets sign. Seconds.
MAX_OVERLAP_S: Final = 30 * 86_400.0


class WebhookRequest(BaseModel):
    """A subscription: a URL, and which events of which of the tenant's tasks are sent there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(max_length=MAX_URL_LENGTH, examples=["https://example.org/hooks/opspawn"])
    events: list[Pattern] = Field(
        default_factory=lambda: list(DEFAULT_EVENTS),
        min_length=1,
        max_length=MAX_PATTERNS,
        description="Types of events, `task.*` for all of a kind, or `*`.",
    )
    task_type: str | None = Field(None, min_length=1, max_length=100, description="Only of these.")
    agent: str | None = Field(None, min_length=1, max_length=100, description="Only of this one.")
    labels: dict[LabelKey, Label] = Field(
        default_factory=dict, max_length=MAX_LABELS, description="Only of tasks that have them all."
    )
    enabled: bool = True
    description: str | None = Field(None, max_length=500)
    decides: bool = Field(False, description=DECIDES)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return checked_url(value)

    @field_validator("events")
    @classmethod
    def _events(cls, value: list[str]) -> list[str]:
        return checked_patterns(value)

    @field_validator("decides")
    @classmethod
    def _decides(cls, value: bool, info: ValidationInfo) -> bool:
        return checked_decides(value, info.data.get("events"))

    @field_validator("labels", mode="before")
    @classmethod
    def _few(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > MAX_LABELS:
            raise ValueError(f"has more than {MAX_LABELS} labels")
        return value

    def spec(self) -> HookSpec:
        return HookSpec(**{**self.model_dump(), "events": tuple(self.events)})


class WebhookChange(BaseModel):
    """What is to be different; whatever is left out stays. `null` takes a filter away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str | None = Field(None, max_length=MAX_URL_LENGTH)
    events: list[Pattern] | None = Field(None, max_length=MAX_PATTERNS)
    task_type: str | None = Field(None, max_length=100)
    agent: str | None = Field(None, max_length=100)
    labels: dict[LabelKey, Label] | None = Field(None, max_length=MAX_LABELS)
    enabled: bool | None = None
    description: str | None = Field(None, max_length=500)
    decides: bool | None = None

    def sent(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.model_fields_set}


class RotateRequest(BaseModel):
    """A new secret. The one of before signs as well for a while, so that receivers can change over."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    overlap_s: float = Field(86_400.0, ge=0, le=MAX_OVERLAP_S)
