"""What a client may ask of threads, with its bounds: the models that every door parses into."""

from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from ops_core.request import MAX_INTEGER
from ops_core.threads.port import NewThread, OnBusy


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
