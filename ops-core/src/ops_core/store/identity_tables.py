"""The tables of identity as SQLModel sees them: for `alembic check`."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from ops_core.store.tables import METADATA


def _text(*, default: str | None = None, nullable: bool = False, primary_key: bool = False) -> Any:
    server_default = text(f"'{default}'") if default is not None else None
    column: Column[str] = Column(
        Text, nullable=nullable, server_default=server_default, primary_key=primary_key
    )
    return Field(sa_column=column)


def _time(*, nullable: bool = True) -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _count() -> Any:
    return Field(sa_column=Column(Integer))


def _bytes(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(LargeBinary, nullable=nullable))


class _Table(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


class TenantRow(_Table, table=True):
    """A tenant."""

    __tablename__ = "tenant"

    tenant_id: str = _text(primary_key=True)
    name: str = _text()
    created_at: datetime = _time(nullable=False)
    disabled_at: datetime | None = _time()
    max_unfinished: int | None = Field(sa_column=Column(BigInteger))


class ApiKeyRow(_Table, table=True):
    """An API key, without its secret."""

    __tablename__ = "api_key"

    tenant_id: str = _text(default="default", primary_key=True)
    key_id: str = _text(primary_key=True)
    name: str = _text()
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    secret_hash: bytes = _bytes()
    previous_hash: bytes | None = _bytes(nullable=True)
    previous_until: datetime | None = _time()
    requests_per_minute: int | None = _count()
    burst: int | None = _count()
    created_at: datetime = _time(nullable=False)
    created_by: str = _text()
    expires_at: datetime | None = _time()
    revoked_at: datetime | None = _time()
    last_used_at: datetime | None = _time()

    __table_args__ = (
        Index("api_key_for_authentication", "key_id", unique=True),
        Index("api_key_for_list", "tenant_id", text("created_at DESC"), text("key_id DESC")),
    )


class AuditRow(_Table, table=True):
    """A line of the audit log."""

    __tablename__ = "audit"

    tenant_id: str = _text(default="default", primary_key=True)
    audit_id: str = _text(primary_key=True)
    at: datetime = _time(nullable=False)
    subject: str = _text()
    action: str = _text()
    object: str = _text()
    outcome: str = _text()
    reason: str | None = _text(nullable=True)
    request_id: str = _text()

    __table_args__ = (
        Index("audit_for_list", "tenant_id", text("at DESC"), text("audit_id DESC")),
        Index("audit_for_retention", "at"),
    )
