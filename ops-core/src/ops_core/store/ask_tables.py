"""The table of asks as SQLModel sees it."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from ops_core.store.tables import METADATA


class AskRow(SQLModel, table=True):
    """What a task needs a person for: a projection of its log."""

    __tablename__ = "ask"
    metadata: ClassVar[MetaData] = METADATA

    tenant_id: str = Field(
        sa_column=Column(Text, primary_key=True, server_default=text("'default'"))
    )
    ask_id: str = Field(sa_column=Column(Text, primary_key=True))
    task_id: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    step: str = Field(sa_column=Column(Text, nullable=False))
    generation: int = Field(sa_column=Column(Integer, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    asked: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    requested_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    resolution: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    resolved_by: str | None = Field(sa_column=Column(Text))
    resolved_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    request_hash: str | None = Field(sa_column=Column(Text))

    __table_args__ = (
        Index(
            "ask_for_list",
            "tenant_id",
            "kind",
            text("requested_at DESC"),
            text("ask_id DESC"),
        ),
        Index(
            "ask_for_list_by_status",
            "tenant_id",
            "kind",
            "status",
            text("requested_at DESC"),
            text("ask_id DESC"),
        ),
        Index(
            "ask_of_task", "tenant_id", "task_id", text("requested_at DESC"), text("ask_id DESC")
        ),
        Index(
            "ask_open",
            "tenant_id",
            "task_id",
            "step",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ask_for_expiry",
            "expires_at",
            postgresql_where=text("status = 'pending' AND expires_at IS NOT NULL"),
        ),
    )
