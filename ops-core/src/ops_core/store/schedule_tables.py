"""The tables of schedules as SQLModel sees them, for `alembic check`; migration 0006 creates them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from ops_core.store.tables import METADATA


def _column(kind: Any, **options: Any) -> Any:
    return Field(sa_column=Column(kind, **{"nullable": False, **options}))


def _tenant() -> Any:
    return _column(Text, primary_key=True, server_default=text("'default'"))


class _Table(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


class ScheduleRow(_Table, table=True):
    """A schedule."""

    __tablename__ = "schedule"

    tenant_id: str = _tenant()
    schedule_id: str = _column(Text, primary_key=True)
    name: str = _column(Text)
    cron: str | None = _column(Text, nullable=True)
    every_s: int | None = _column(BigInteger, nullable=True)
    time_zone: str = _column(Text)
    task: dict[str, Any] = _column(JSONB)
    overlap: str = _column(Text)
    missed: str = _column(Text)
    catchup_window_s: float = _column(Double)
    start_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    end_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    jitter_s: float = _column(Double)
    labels: dict[str, str] = _column(JSONB, server_default=text("'{}'"))
    created_by: str = _column(Text)
    created_at: datetime = _column(DateTime(timezone=True))
    updated_at: datetime = _column(DateTime(timezone=True))
    paused_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    paused_reason: str | None = _column(Text, nullable=True)
    next_fire_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    last_fired_at: datetime | None = _column(DateTime(timezone=True), nullable=True)
    last_task_id: str | None = _column(Text, nullable=True)
    queued: int = _column(Integer, server_default=text("0"))
    firings: int = _column(BigInteger, server_default=text("0"))
    revision: int = _column(BigInteger, server_default=text("1"))

    __table_args__ = (
        Index("schedule_name", "tenant_id", "name", unique=True),
        Index(
            "schedule_for_list",
            "tenant_id",
            text("created_at DESC"),
            text("schedule_id DESC"),
        ),
        Index(
            "schedule_for_firing",
            "next_fire_at",
            postgresql_where=text("next_fire_at IS NOT NULL"),
        ),
        Index(
            "schedule_for_queue",
            "tenant_id",
            "schedule_id",
            postgresql_where=text("queued > 0 AND paused_at IS NULL"),
        ),
    )


class FiringRow(_Table, table=True):
    """What became of one firing."""

    __tablename__ = "firing"

    tenant_id: str = _tenant()
    schedule_id: str = _column(Text, primary_key=True)
    number: int = _column(BigInteger, primary_key=True, autoincrement=False)
    fire_at: datetime = _column(DateTime(timezone=True))
    outcome: str = _column(Text)
    is_manual: bool = _column(Boolean, server_default=text("false"))
    reason: str | None = _column(Text, nullable=True)
    task_id: str | None = _column(Text, nullable=True)
    recorded_at: datetime = _column(DateTime(timezone=True))

    __table_args__ = (
        Index(
            "firing_once",
            "tenant_id",
            "schedule_id",
            "fire_at",
            unique=True,
            postgresql_where=text("NOT is_manual"),
        ),
        Index(
            "firing_queued",
            "tenant_id",
            "schedule_id",
            "number",
            postgresql_where=text("outcome = 'queued'"),
        ),
    )
