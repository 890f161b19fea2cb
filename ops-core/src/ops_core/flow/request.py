"""What a client may ask for: the limit of a concurrency key."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ops_core.errors import FieldError, InvalidRequest
from ops_core.flow.key_limit import DEFAULT_CONCURRENCY, KeyLimit, Rate
from ops_core.request import ConcurrencyKey, invalid
from ops_core.task import JsonObject

_KEY: Final[TypeAdapter[str]] = TypeAdapter(ConcurrencyKey)


class RateRequest(BaseModel):
    """A bucket of `count` starts that fills in `per_s` seconds: at most twice as many in any such time."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    count: int = Field(ge=1, le=1_000_000)
    per_s: float = Field(ge=0.001, le=86_400)


class LimitRequest(BaseModel):
    """How many tasks of the key run at once, and how many may start in a while."""

    model_config = ConfigDict(extra="forbid", strict=True)

    concurrency: int = Field(DEFAULT_CONCURRENCY, ge=1, le=100_000)
    rate: RateRequest | None = None

    def limit(self, key: str) -> KeyLimit:
        rate = Rate(count=self.rate.count, per_s=self.rate.per_s) if self.rate else None
        return KeyLimit(key=key, concurrency=self.concurrency, rate=rate)


def parse_limit_json(body: bytes) -> LimitRequest:
    """Raises `InvalidRequest` naming each wrong field, as those below do."""
    try:
        return LimitRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None


def parse_limit(data: JsonObject) -> LimitRequest:
    try:
        return LimitRequest.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def checked_key(key: str) -> str:
    try:
        return _KEY.validate_python(key)
    except ValidationError:
        message = "must be 1 to 200 characters, none of them a control character"
        raise InvalidRequest([FieldError("key", message)]) from None
