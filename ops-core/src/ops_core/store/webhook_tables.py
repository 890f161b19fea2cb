"""The tables of webhooks as SQLModel sees them, for `alembic check`; migration 0007 creates them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from ops_core.store.tables import METADATA


def _column(kind: Any, **options: Any) -> Any:
    return Field(sa_column=Column(kind, **{"nullable": False, **options}))


def _tenant() -> Any:
    return _column(Text, primary_key=True, server_default=text("'default'"))


class _Table(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


class WebhookRow(_Table, table=True):
    """A subscription, or the webhook of one task."""

    __tablename__ = "webhook"

    tenant_id: str = _tenant()
    webhook_id: str = _column(Text, primary_key=True)
    task_id: str | None = _column(Text, nullable=True)
    url: str = _column(Text)
    events: list[str] = _column(ARRAY(Text))
    task_type: str | None = _column(Text, nullable=True)
    agent: str | None = _column(Text, nullable=True)
    labels: dict[str, str] = _column(JSONB, server_default=text("'{}'"))
    description: str | None = _column(Text, nullable=True)
    secret: str | None = _column(Text, nullable=True)
    previous_secret: str | None = _column(Text, nullable=True)
    previous_until: datetime | None = _column(DateTime(timezone=True), nullable=True)
    enabled: bool = _column(Boolean, server_default=text("true"))
    disabled_reason: str | None = _column(Text, nullable=True)
    failing_since: datetime | None = _column(DateTime(timezone=True), nullable=True)
    decides: bool = _column(Boolean, server_default=text("false"))
    config_id: str | None = _column(Text, nullable=True)
    token: str | None = _column(Text, nullable=True)
    scheme: str | None = _column(Text, nullable=True)
    credentials: str | None = _column(Text, nullable=True)
    created_by: str = _column(Text)
    created_at: datetime = _column(DateTime(timezone=True))
    updated_at: datetime = _column(DateTime(timezone=True))

    __table_args__ = (
        Index("webhook_for_events", "tenant_id", "task_id"),
        Index(
            "webhook_push",
            "tenant_id",
            "task_id",
            "config_id",
            unique=True,
            postgresql_where=text("config_id IS NOT NULL"),
        ),
        Index(
            "webhook_for_list",
            "tenant_id",
            text("created_at DESC"),
            text("webhook_id DESC"),
            postgresql_where=text("task_id IS NULL"),
        ),
    )


class DeliveryRow(_Table, table=True):
    """An event for a webhook."""

    __tablename__ = "webhook_delivery"

    tenant_id: str = _tenant()
    delivery_id: str = _column(Text, primary_key=True)
    webhook_id: str = _column(Text)
    task_id: str | None = _column(Text, nullable=True)
    seq: int | None = _column(BigInteger, nullable=True)
    type: str = _column(Text)
    status: str = _column(Text, server_default=text("'pending'"))
    tries: int = _column(Integer, server_default=text("0"))
    claim: int = _column(BigInteger, server_default=text("0"))
    next_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    attempts: list[dict[str, Any]] = _column(JSONB, server_default=text("'[]'"))
    created_at: datetime = _column(DateTime(timezone=True))
    asked_at: datetime = _column(DateTime(timezone=True))
    ended_at: datetime | None = _column(DateTime(timezone=True), nullable=True)

    __table_args__ = (
        Index(
            "webhook_delivery_for_sending",
            "next_at",
            "seq",
            postgresql_where=text("next_at IS NOT NULL"),
        ),
        Index(
            "webhook_delivery_for_turns",
            "tenant_id",
            "next_at",
            "seq",
            postgresql_where=text("next_at IS NOT NULL"),
        ),
        Index(
            "webhook_delivery_for_webhook",
            "tenant_id",
            "webhook_id",
            text("created_at DESC"),
            text("delivery_id DESC"),
        ),
        Index(
            "webhook_delivery_for_task",
            "tenant_id",
            "task_id",
            text("created_at DESC"),
            text("delivery_id DESC"),
            postgresql_where=text("task_id IS NOT NULL"),
        ),
        Index(
            "webhook_delivery_for_retention",
            "ended_at",
            postgresql_where=text("ended_at IS NOT NULL"),
        ),
    )


class DeletedWebhookRow(_Table, table=True):
    """A webhook whose deliveries upkeep is deleting."""

    __tablename__ = "deleted_webhook"

    tenant_id: str = _tenant()
    webhook_id: str = _column(Text, primary_key=True)
