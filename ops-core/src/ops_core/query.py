"""Which tasks a client may ask to list: the one model that every door parses into."""

import re
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from ops_core.identity.ports import AuditFilter
from ops_core.ports import TaskFilter
from ops_core.service import MAX_PAGE
from ops_core.task import Status

#: PostgreSQL has no NUL in a text, and UTF-8 no halves of surrogate pairs.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class PageQuery(BaseModel):
    """A page of a list, newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(
        None, max_length=1000, description="`next_cursor` of the page before."
    )

    @field_validator("cursor")
    @classmethod
    def _cursor_text(cls, value: str | None) -> str | None:
        return storable_text(value)


class ArchiveQuery(PageQuery):
    """A page of what can be archived, newest first."""

    archived: bool = Field(False, description="Those that are archived, instead of those in use.")


class AfterQuery(BaseModel):
    """A page of what is numbered, in order."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**63, description="Only those with a larger `seq`.")
    limit: int = Field(100, ge=1, le=MAX_PAGE)


class AuditQuery(PageQuery):
    """A page of the audit log, newest first. A filter that is left out does not filter."""

    subject: str | None = Field(None, max_length=300, description="`key_…` or `user:…`.")
    action: str | None = Field(None, max_length=100, examples=["cancel_task"])
    object: str | None = Field(None, max_length=300, examples=["task_…"])

    @field_validator("subject", "action", "object")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        return storable_text(value)

    def where(self) -> AuditFilter:
        return AuditFilter(subject=self.subject, action=self.action, object=self.object)


class TaskQuery(PageQuery):
    """A page of tasks, newest first. A filter that is left out does not filter."""

    status: Status | None = None
    task_type: str | None = Field(None, max_length=100)
    agent: str | None = Field(None, max_length=100)
    label: str | None = Field(None, max_length=320, description="`key:value`", examples=["team:a"])
    parent_task_id: str | None = Field(None, max_length=100)
    thread_id: str | None = Field(None, max_length=100)
    created_after: AwareDatetime | None = Field(None, description="RFC 3339; excludes that moment.")

    @field_validator("task_type", "agent", "label", "parent_task_id", "thread_id")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        return storable_text(value)

    @field_validator("label")
    @classmethod
    def _pair(cls, value: str | None) -> str | None:
        if value is not None and value.find(":") < 1:
            raise ValueError("must look like key:value")
        return value

    @field_validator("created_after")
    @classmethod
    def _storable_time(cls, value: datetime | None) -> datetime | None:
        if value is not None and not 1970 <= value.year <= 9000:
            raise ValueError("must lie between the years 1970 and 9000")
        return value

    def where(self) -> TaskFilter:
        """A key that itself holds a colon cannot be asked for: the first colon ends the key."""
        key, _, value = (self.label or "").partition(":")
        return TaskFilter(
            status=self.status,
            task_type=self.task_type,
            agent=self.agent,
            label=(key, value) if key else None,
            parent_task_id=self.parent_task_id,
            thread_id=self.thread_id,
            created_after=self.created_after,
        )


def storable_text(value: str | None) -> str | None:
    """The text, if it can be asked for. Raises `ValueError`."""
    if value is not None and _UNSTORABLE.search(value):
        raise ValueError("contains a NUL character or a lone surrogate")
    return value
