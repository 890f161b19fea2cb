"""Where events of a task are sent: what a submit says of it, and the words that subscriptions share.

Signatures are those of https://www.standardwebhooks.com: a secret is `whsec_` and base64.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from ops_core.errors import FieldError, InvalidRequest
from ops_core.log import EventType
from ops_core.push import Push

#: What is sent when a client does not say: a task has ended, or needs somebody.
DEFAULT_EVENTS: Final = (
    EventType.TASK_COMPLETED.value,
    EventType.TASK_FAILED.value,
    EventType.TASK_CANCELLED.value,
    EventType.TASK_WAITING.value,
)

#: What a receiver that may decide answers.
DECIDED: Final = (EventType.APPROVAL_REQUESTED.value, EventType.INPUT_REQUESTED.value)

MAX_URL_LENGTH: Final = 2000
MAX_PATTERNS: Final = 32

#: The bounds of the specification. Bytes.
SECRET_BYTES: Final = (24, 64)

_PREFIX: Final = "whsec_"
_PATTERN: Final = re.compile(r"\*|[a-z]+\.(\*|[a-z_]+)")

Pattern = Annotated[str, Field(min_length=1, max_length=100)]

#: What `decides` is, for whoever reads the document of a door.
DECIDES: Final = (
    "Whether what the receiver answers to `approval.requested` and `input.requested` resolves them; whoever "
    "says so needs leave to do that himself."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHook:
    """The webhook of one task."""

    url: str
    events: tuple[str, ...] = DEFAULT_EVENTS
    secret: SecretStr | None = None
    """None: what is sent is not signed."""

    decides: bool = False
    """Whether what the receiver answers resolves what the task asks for."""

    push: Push | None = None
    """For a receiver that speaks A2A: it is sent what that protocol says, and not signed."""


class TaskHookRequest(BaseModel):
    """Where the events of this task are sent. With a URL alone: when it waits, and when it has ended."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(max_length=MAX_URL_LENGTH, examples=["https://example.org/hooks/opspawn"])
    events: list[Pattern] = Field(
        default_factory=lambda: list(DEFAULT_EVENTS),
        min_length=1,
        max_length=MAX_PATTERNS,
        description="Types of events, `task.*` for all of a kind, or `*`.",
    )
    secret: str | None = Field(
        None,
        max_length=200,
        description="`whsec_` and 24 to 64 bytes in base64; without it, deliveries are not signed.",
    )
    decides: bool = Field(False, description=DECIDES)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return checked_url(value)

    @field_validator("events")
    @classmethod
    def _events(cls, value: list[str]) -> list[str]:
        return checked_patterns(value)

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str | None) -> str | None:
        if value is not None:
            key_of(value)
        return value

    @field_validator("decides")
    @classmethod
    def _decides(cls, value: bool, info: ValidationInfo) -> bool:
        return checked_decides(value, info.data.get("events"))

    def hook(self) -> TaskHook:
        return TaskHook(
            url=self.url,
            events=tuple(self.events),
            secret=None if self.secret is None else SecretStr(self.secret),
            decides=self.decides,
        )


def checked_url(url: str) -> str:
    """Raises `ValueError`. Where it leads is only known when it is used."""
    problem = "must be a URL such as https://example.org/hooks, with neither user nor fragment"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(problem)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    plain = parts.username is None and parts.password is None and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not plain:
        raise ValueError(problem)
    return url


def checked_patterns(patterns: list[str]) -> list[str]:
    """Each once, in order. Raises `ValueError` for one that no event could match."""
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise ValueError("must be types of events such as task.completed, task.* or *")
        if not pattern.endswith("*") and pattern not in EventType.__members__.values():
            raise ValueError(f"{pattern[:100]} is not a type of event")
        kinds = {kind.value.partition(".")[0] for kind in EventType}
        if pattern != "*" and pattern.partition(".")[0] not in kinds:
            raise ValueError(f"{pattern[:100]} matches no type of event")
    return list(dict.fromkeys(patterns))


def checked_decides(decides: bool, events: Sequence[str] | None) -> bool:
    """Raises `ValueError` for one who is never asked. `events` is None when they are wrong themselves."""
    asked = events is None or any(matches(tuple(events), type_) for type_ in DECIDED)
    if decides and not asked:
        raise ValueError(f"says nothing where events have none of {' and '.join(DECIDED)}")
    return decides


def check_way(url: str, decides: bool, field: str, *, plain: bool) -> None:
    """Raises `InvalidRequest` for a decision that anybody on its way could make. `plain`: http will do."""
    if decides and not plain and urlsplit(url).scheme != "https":
        message = (
            "is only for a URL with https: over http anybody on the way could decide. An operator who trusts "
            "that network sets OPSPAWN_WEBHOOK_HTTP"
        )
        raise InvalidRequest([FieldError(field, message)])


def matches(patterns: tuple[str, ...], type_: str) -> bool:
    """Whether an event of this type is asked for. The same rule stands in the trigger of migration 0007."""
    kind = type_.partition(".")[0]
    return not {"*", f"{kind}.*", type_}.isdisjoint(patterns)


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises `ValueError`, which does not repeat it."""
    least, most = SECRET_BYTES
    problem = f"must be {_PREFIX} and {least} to {most} bytes in base64"
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(problem) from None
    if not secret.startswith(_PREFIX) or not least <= len(key) <= most:
        raise ValueError(problem)
    return key


def secret_of(key: bytes) -> str:
    return _PREFIX + base64.b64encode(key).decode()
