"""Which tasks a client may ask to list: the one model that every door parses into."""

import re
from datetime import datetime
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from ops_core.bounds import MAX_PAGE
from ops_core.identity.ports import AuditFilter
from ops_core.memories import MemoryFilter
from ops_core.memories.condition import MAX_CONDITION, read_condition
from ops_core.memories.request import MAX_USER
from ops_core.ports import TaskFilter
from ops_core.task import Status

#: PostgreSQL has no NUL in a text, and UTF-8 no halves of surrogate pairs.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

#: A question, and no document. Characters.
MAX_QUERY: Final = 1_000

#: What one search of memories finds at most.
MAX_MATCHES: Final = 100


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


class ForgetQuery(BaseModel):
    """Whose memories are forgotten: an agent's, a user's, or those of both."""

    model_config = ConfigDict(extra="forbid")

    agent: str | None = Field(None, max_length=100, description="Left out: of every agent.")
    user: str | None = Field(
        None,
        max_length=MAX_USER,
        description="Left out: of every user and of nobody; empty: of nobody.",
    )

    @field_validator("agent", "user")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        return storable_text(value)

    def where(self) -> MemoryFilter:
        return MemoryFilter(agent=self.agent, user=self.user)


class MemoryQuery(PageQuery):
    """A page of memories, newest first, or those most like a text. What is left out does not filter."""

    query: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_QUERY,
        description="Search: the most alike first, on one page of 100 at most.",
    )
    agent: str | None = Field(None, max_length=100)
    user: str | None = Field(None, max_length=MAX_USER, description="Empty: those of nobody.")
    metadata: str | None = Field(
        None,
        max_length=MAX_CONDITION,
        description="`key:value`, the value as JSON or, where it is none, as text.",
        examples=["topic:drinks"],
    )

    @field_validator("query", "agent", "user", "metadata")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        return storable_text(value)

    @field_validator("query")
    @classmethod
    def _says_something(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("says nothing")
        return value

    @field_validator("metadata")
    @classmethod
    def _condition(cls, value: str | None) -> str | None:
        if value is not None:
            read_condition(value)
        return value

    @model_validator(mode="after")
    def _one_page_of_matches(self) -> Self:
        if self.query is not None and self.cursor is not None:
            raise ValueError("leave out cursor or query: what is searched for comes on one page")
        if self.query is not None and self.limit > MAX_MATCHES:
            raise ValueError(f"ask for a limit of {MAX_MATCHES} at most when you search")
        return self

    def where(self) -> MemoryFilter:
        metadata = None if self.metadata is None else read_condition(self.metadata)
        return MemoryFilter(agent=self.agent, user=self.user, metadata=metadata)


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
