"""What a client says of keys and tenants, with its bounds: the models that every door parses into."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ops_core.identity.keys import Rate
from ops_core.identity.tenants import is_tenant_id
from ops_core.request import MAX_INTEGER, is_storable_time
from ops_core.scopes import Scope

#: The longest that a replaced secret may still be good: a week, in seconds.
MAX_GRACE_S: Final = 604_800.0

Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ApiKeyRequest(_Asked):
    """A new key."""

    name: Name = Field(description="For people: who uses it, and what for.")
    scopes: list[Annotated[Scope, Field(strict=False)]] = Field(
        min_length=1, max_length=50, description="What it may do; `admin` is everything."
    )
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        None, description="RFC 3339, a time to come. Left out: never."
    )
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    burst: int | None = Field(
        None, ge=1, le=1_000_000, description="Requests at once; left out: those of ten seconds."
    )

    @field_validator("expires_at")
    @classmethod
    def _storable(cls, value: datetime | None) -> datetime | None:
        if value is not None and not is_storable_time(value):
            raise ValueError("must lie between the years 1970 and 9000")
        return value

    @field_validator("burst")
    @classmethod
    def _with_rate(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("requests_per_minute") is None:
            raise ValueError("says nothing without requests_per_minute")
        return value

    def rate(self) -> Rate | None:
        if self.requests_per_minute is None:
            return None
        return Rate(self.requests_per_minute, self.burst or default_burst(self.requests_per_minute))


class RotationRequest(_Asked):
    """A new secret for a key."""

    grace_s: float = Field(
        0.0, ge=0, le=MAX_GRACE_S, description="How long the old secret is good as well."
    )


class TenantLimitsRequest(_Asked):
    """What a tenant may have under way; it takes the place of what the settings say."""

    max_unfinished_tasks: int = Field(
        ge=1, le=MAX_INTEGER, description="Submits beyond it are refused; what is there goes on."
    )


class TenantRequest(_Asked):
    """A new tenant."""

    tenant_id: str = Field(
        description="1 to 63 small letters, digits, - and _; it begins with a letter or a digit."
    )
    name: Name

    @field_validator("tenant_id")
    @classmethod
    def _shape(cls, value: str) -> str:
        if not is_tenant_id(value):
            raise ValueError(
                "must be 1 to 63 of a-z, 0-9, - and _, and begin with none of the last two"
            )
        return value


def default_burst(per_minute: int) -> int:
    """What ten seconds bring."""
    return max(1, per_minute // 6)
