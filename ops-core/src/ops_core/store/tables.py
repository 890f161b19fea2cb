"""The tables as SQLModel sees them: for the dynamic list query and for `alembic check`.

The migrations are what creates them; they carry the CHECK constraints and say which query each index serves.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

METADATA: Final = MetaData()


def _text(*, default: str | None = None, nullable: bool = False, primary_key: bool = False) -> Any:
    server_default = text(f"'{default}'") if default is not None else None
    column: Column[str] = Column(
        Text, nullable=nullable, server_default=server_default, primary_key=primary_key
    )
    return Field(sa_column=column)


def _time(*, nullable: bool = True) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _json(*, nullable: bool = False, default: str | None = None) -> Any:
    server_default = text(f"'{default}'") if default is not None else None
    return Field(sa_column=Column(JSONB, nullable=nullable, server_default=server_default))


def _count(kind: Any, default: int | None = 0) -> Any:
    server_default = text(str(default)) if default is not None else None
    return Field(sa_column=Column(kind, nullable=False, server_default=server_default))


def _flag() -> Any:
    return Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class _Table(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


class TaskRow(_Table, table=True):
    """A task: the projection of its log, written in the same transaction as the event that changed it."""

    __tablename__ = "task"

    tenant_id: str = _text(default="default", primary_key=True)
    task_id: str = _text(primary_key=True)
    task_type: str = _text()
    queue: str = _text()
    name: str | None = _text(nullable=True)
    agent: str = _text()
    thread_id: str | None = _text(nullable=True)
    parent_task_id: str | None = _text(nullable=True)
    priority: int = _count(Integer)
    labels: dict[str, str] = _json(default="{}")
    input_data: dict[str, Any] = _json()
    result: dict[str, Any] | None = _json(nullable=True)
    error: dict[str, Any] | None = _json(nullable=True)
    status: str = _text()
    reason: str | None = _text(nullable=True)
    attempt: int = _count(Integer)
    generation: int = _count(Integer, 1)
    retry_policy: dict[str, Any] = _json()
    input_tokens: int = _count(BigInteger)
    output_tokens: int = _count(BigInteger)
    cost_usd: Decimal = _count(Numeric)
    steps: int = _count(Integer)
    owner: str | None = _text(nullable=True)
    epoch: int = _count(BigInteger)
    cancel_requested: bool = _flag()
    last_seq: int = _count(BigInteger)
    idempotency_key: str | None = _text(nullable=True)
    request_hash: str = _text()
    created_at: datetime = _time(nullable=False)
    updated_at: datetime = _time(nullable=False)
    scheduled_at: datetime | None = _time()
    started_at: datetime | None = _time()
    completed_at: datetime | None = _time()
    runnable_at: datetime = _time(nullable=False)
    deadline_at: datetime | None = _time()
    ring_at: datetime | None = _time()
    rings: int = _count(Integer)
    wait_until: datetime | None = _time()
    waiting_for: list[dict[str, Any]] | None = _json(nullable=True)
    children_needed: int | None = Field(sa_column=Column(Integer))
    signals: int = _count(BigInteger)
    depth: int = _count(Integer)
    children: int = _count(Integer)
    dependencies_left: int = _count(Integer)
    watched: bool = _flag()
    deaths: int = _count(Integer)
    dead_letter_at: datetime | None = _time()
    pins: list[str] | None = Field(sa_column=Column(ARRAY(Text)))
    agent_version: int | None = Field(sa_column=Column(Integer))
    handoffs: dict[str, int] = _json(default="{}")
    concurrency_key: str | None = _text(nullable=True)
    gated: bool = _flag()
    budget: dict[str, Any] | None = _json(nullable=True)
    budget_ids: list[str] | None = Field(sa_column=Column(ARRAY(Text)))
    wake_at: datetime | None = Field(
        sa_column=Column(
            DateTime(timezone=True),
            Computed("ops_wake_at(status, deadline_at, ring_at, wait_until)", persisted=True),
        )
    )

    __table_args__ = (
        Index(
            "task_for_fair_claim",
            "queue",
            "tenant_id",
            text("priority DESC"),
            "runnable_at",
            "task_id",
            postgresql_where=text("status = 'pending' AND NOT gated"),
        ),
        Index(
            "task_for_gate",
            "tenant_id",
            "concurrency_key",
            text("priority DESC"),
            "runnable_at",
            "task_id",
            postgresql_where=text("status = 'pending' AND gated"),
        ),
        Index(
            "task_for_key",
            "tenant_id",
            "concurrency_key",
            postgresql_where=text(
                "concurrency_key IS NOT NULL AND NOT gated AND status IN ('pending', 'running')"
            ),
        ),
        Index("task_for_wake", "queue", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
        Index(
            "task_for_deadline",
            "deadline_at",
            postgresql_where=text("deadline_at IS NOT NULL AND completed_at IS NULL"),
        ),
        Index("task_for_owner", "owner", postgresql_where=text("owner IS NOT NULL")),
        Index("task_for_list", "tenant_id", text("created_at DESC"), text("task_id DESC")),
        Index(
            "task_for_list_by_status",
            "tenant_id",
            "status",
            text("created_at DESC"),
            text("task_id DESC"),
        ),
        Index(
            "task_for_list_by_thread",
            "tenant_id",
            "thread_id",
            text("created_at DESC"),
            text("task_id DESC"),
            postgresql_where=text("thread_id IS NOT NULL"),
        ),
        Index(
            "task_for_thread",
            "tenant_id",
            "thread_id",
            postgresql_where=text("thread_id IS NOT NULL AND completed_at IS NULL"),
        ),
        Index(
            "task_for_timer",
            "wait_until",
            postgresql_where=text("status = 'waiting' AND wait_until IS NOT NULL"),
        ),
        Index(
            "task_for_parent",
            "tenant_id",
            "parent_task_id",
            text("created_at DESC"),
            text("task_id DESC"),
            postgresql_where=text("parent_task_id IS NOT NULL"),
        ),
        Index(
            "task_for_isolation",
            "queue",
            postgresql_where=text("status = 'pending' AND deaths >= 2"),
        ),
        Index(
            "task_for_dead_letters",
            "tenant_id",
            text("created_at DESC"),
            text("task_id DESC"),
            postgresql_where=text("dead_letter_at IS NOT NULL AND status = 'failed'"),
        ),
        Index(
            "task_for_retention",
            "completed_at",
            postgresql_where=text("completed_at IS NOT NULL AND dead_letter_at IS NULL"),
        ),
        Index(
            "task_idempotency_key",
            "tenant_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )


class EventRow(_Table, table=True):
    """One event of a task's log."""

    __tablename__ = "event"

    tenant_id: str = _text(default="default", primary_key=True)
    task_id: str = _text(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    type: str = _text()
    v: int = _count(SmallInteger, 1)
    data: dict[str, Any] = _json()
    journal: dict[str, Any] | None = _json(nullable=True)
    at: datetime = _time(nullable=False)


class WorkerRow(_Table, table=True):
    """The heartbeat of one worker."""

    __tablename__ = "worker"

    tenant_id: str = _text(default="default", primary_key=True)
    worker_id: str = _text(primary_key=True)
    queues: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    slots: int = _count(Integer, None)
    running: int = _count(Integer, None)
    alone: bool = _flag()
    pins: dict[str, list[str]] = _json(default="{}")
    supports: list[str] = Field(
        sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    started_at: datetime = _time(nullable=False)
    heartbeat_at: datetime = _time(nullable=False)
    host: str | None = _text(nullable=True)
    pid: int | None = Field(sa_column=Column(Integer))
    version: str | None = _text(nullable=True)
    draining: bool = _flag()
    drain_at: datetime | None = _time()


class DependencyRow(_Table, table=True):
    """Who waits for whose end before its first run."""

    __tablename__ = "dependency"

    tenant_id: str = _text(default="default", primary_key=True)
    needs: str = _text(primary_key=True)
    task_id: str = _text(primary_key=True)
    on_end: bool = _flag()

    __table_args__ = (Index("dependency_of_task", "tenant_id", "task_id"),)


class OutboxRow(_Table, table=True):
    """An end that others must hear of."""

    __tablename__ = "outbox"

    outbox_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant_id: str = _text(default="default")
    task_id: str = _text()


class BlobRow(_Table, table=True):
    """A large value of a task's journal."""

    __tablename__ = "blob"

    tenant_id: str = _text(default="default", primary_key=True)
    task_id: str = _text(primary_key=True)
    digest: str = _text(primary_key=True)
    value: Any = _json()
