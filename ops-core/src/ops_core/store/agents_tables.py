"""The tables of agents and threads as `alembic check` sees them; the migration is what creates them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from ops_core.store.tables import METADATA


def _key(default: str | None = None) -> Any:
    server_default = text(f"'{default}'") if default is not None else None
    column: Column[str] = Column(Text, primary_key=True, server_default=server_default)
    return Field(sa_column=column)


def _column(kind: Any, *, nullable: bool = False) -> Any:
    return Field(sa_column=Column(kind, nullable=nullable))


class AgentRow(SQLModel, table=True):
    """An agent: its newest version, and whether it is in use."""

    __tablename__ = "agent"
    metadata: ClassVar[MetaData] = METADATA

    tenant_id: str = _key("default")
    name: str = _key()
    version: int = _column(Integer)
    digest: str = _column(Text)
    created_at: datetime = _column(DateTime(timezone=True))
    archived_at: datetime | None = _column(DateTime(timezone=True), nullable=True)

    __table_args__ = (
        Index("agent_for_list", "tenant_id", text("created_at DESC"), text("name DESC")),
    )


class AgentVersionRow(SQLModel, table=True):
    """One version of an agent; never changed."""

    __tablename__ = "agent_version"
    metadata: ClassVar[MetaData] = METADATA

    tenant_id: str = _key("default")
    name: str = _key()
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    definition: dict[str, Any] = _column(JSONB)
    created_at: datetime = _column(DateTime(timezone=True))
    created_by: str = _column(Text)


class ThreadRow(SQLModel, table=True):
    """A conversation."""

    __tablename__ = "thread"
    metadata: ClassVar[MetaData] = METADATA

    tenant_id: str = _key("default")
    thread_id: str = _key()
    name: str | None = _column(Text, nullable=True)
    on_busy: str = _column(Text)
    last_seq: int = _column(BigInteger)
    forked_from: dict[str, Any] | None = _column(JSONB, nullable=True)
    created_at: datetime = _column(DateTime(timezone=True))
    updated_at: datetime = _column(DateTime(timezone=True))
    archived_at: datetime | None = _column(DateTime(timezone=True), nullable=True)

    __table_args__ = (
        Index("thread_for_list", "tenant_id", text("created_at DESC"), text("thread_id DESC")),
    )


class ThreadMessageRow(SQLModel, table=True):
    """The place of a task in a thread; a fork of the thread shares its tasks."""

    __tablename__ = "thread_message"
    metadata: ClassVar[MetaData] = METADATA

    tenant_id: str = _key("default")
    thread_id: str = _key()
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    task_id: str = _column(Text)

    __table_args__ = (Index("thread_message_of_task", "tenant_id", "task_id"),)
