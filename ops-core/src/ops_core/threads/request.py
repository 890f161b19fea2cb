"""What a client may ask of threads, with its bounds: the models that every door parses into."""

from typing import Any, Literal, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops_core.request import MAX_INTEGER, check_json, invalid
from ops_core.threads.port import NewThread, OnBusy

Body = TypeVar("Body", bound=BaseModel)


class _New(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    thread_id: str | None = Field(
        None, min_length=1, max_length=100, description="An id of your own; left out, it gets one."
    )
    name: str | None = Field(None, max_length=200)

    def new(self, tenant_id: str, on_busy: OnBusy) -> NewThread:
        return NewThread(
            tenant_id=tenant_id,
            thread_id=self.thread_id or f"thread_{uuid4().hex}",
            name=self.name,
            on_busy=on_busy,
        )


class ThreadRequest(_New):
    """A new thread, without a task yet."""

    on_busy: Literal["reject", "enqueue", "interrupt"] = Field(
        "enqueue",
        description="What becomes of a new task while another one is under way, unless the task says.",
    )


class ThreadForkRequest(_New):
    """A new thread that begins as another one does."""

    after_seq: int = Field(ge=1, le=MAX_INTEGER, description="The last message that is shared.")


def parse_thread(model: type[Body], data: dict[str, Any]) -> Body:
    """Parses what is already Python data. Raises `InvalidRequest` naming each wrong field."""
    check_json(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def parse_thread_json(model: type[Body], body: bytes) -> Body:
    """Parses JSON text. Raises `InvalidRequest` naming each wrong field."""
    try:
        request = model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    check_json(request.model_dump())
    return request
