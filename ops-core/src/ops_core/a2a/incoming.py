"""What clients send, as far as it is read. Unknown fields are left unread, as ProtoJSON wants it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from ops_core.a2a.errors import CONTENT_TYPE, Refusal
from ops_core.hook import MAX_URL_LENGTH, checked_url
from ops_core.request import check_json, invalid, is_storable_time

Params = TypeVar("Params", bound=BaseModel)

Id = Annotated[str, Field(min_length=1, max_length=100)]

#: Nothing, or what may stand in a header as it is.
_IN_HEADER: Final = r"^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$"


class _Sent(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", allow_inf_nan=False)


class Part(_Sent):
    """Text or JSON; files are not taken."""

    text: str | None = None
    data: Any = None
    raw: Any = None
    url: Any = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.text is None and self.data is None and self.raw is None and self.url is None:
            raise ValueError("needs text or data")
        return self


class Message(_Sent):
    """One turn of a client."""

    message_id: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
    context_id: str = Field("", max_length=100)
    task_id: str = Field("", max_length=100)
    role: Literal["ROLE_USER"]
    parts: list[Part] = Field(min_length=1, max_length=100)

    def texts(self) -> list[str]:
        """Its parts of text. Raises `Refusal` when there is a file."""
        if any(part.raw is not None or part.url is not None for part in self.parts):
            raise Refusal(CONTENT_TYPE, "Files are not taken: send text, or JSON in data.")
        return [part.text for part in self.parts if part.text is not None]

    def data(self) -> list[Any]:
        """Its parts of JSON."""
        return [part.data for part in self.parts if part.data is not None]


class Authentication(_Sent):
    """What a receiver wants to read in the header Authorization."""

    scheme: str = Field(max_length=50, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
    credentials: str = Field("", max_length=4000, pattern=_IN_HEADER)


class PushConfig(_Sent):
    """Where the moves of a task are told."""

    id: str = Field("", max_length=100)
    task_id: str = Field("", max_length=100)
    url: Annotated[str, AfterValidator(checked_url)] = Field(max_length=MAX_URL_LENGTH)
    token: str = Field("", max_length=1000, pattern=_IN_HEADER)
    authentication: Authentication | None = None


class PushConfigs(_Sent):
    """All configs of a task; there is one page of them."""

    task_id: Id


class PushConfigId(PushConfigs):
    """One of them."""

    id: Id


class Configuration(_Sent):
    """How the client wants to be answered."""

    history_length: int | None = Field(None, ge=0)
    return_immediately: bool = False
    task_push_notification_config: PushConfig | None = None


class SendMessage(_Sent):
    """A message, and how to answer it."""

    message: Message
    configuration: Configuration = Field(default_factory=Configuration)

    @property
    def push(self) -> PushConfig | None:
        """Where it wants to be told how the task goes."""
        return self.configuration.task_push_notification_config


class TaskId(_Sent):
    """One task."""

    id: Id


class GetTask(TaskId):
    """One task, with as much of its history as is wanted."""

    history_length: int | None = Field(None, ge=0)


class ListTasks(_Sent):
    """A page of tasks, the one that moved last first, as the specification wants it."""

    context_id: str = Field("", max_length=100)
    status: str = ""
    page_size: int = Field(50, ge=1, le=100)
    page_token: str = Field("", max_length=1000)
    history_length: int | None = Field(None, ge=0)
    include_artifacts: bool = False
    status_timestamp_after: AwareDatetime | None = None
    """Since when; that moment is among them."""

    @field_validator("status_timestamp_after")
    @classmethod
    def _storable(cls, value: datetime | None) -> datetime | None:
        if value is not None and not is_storable_time(value):
            raise ValueError("must lie between the years 1970 and 9000")
        return value


def parsed(model: type[Params], params: Any) -> Params:
    """Raises `InvalidRequest` naming each wrong field."""
    check_json(params)
    try:
        return model.model_validate(params)
    except ValidationError as error:
        raise invalid(error) from None
