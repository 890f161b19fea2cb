"""The tables of flow control and of budgets as SQLModel sees them: for `alembic check`."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Identity, Index, Integer, Numeric
from sqlmodel import Field

from ops_core.store.tables import _count, _Table, _text, _time


def _seconds() -> Any:
    return Field(sa_column=Column(Double, nullable=False, server_default="0"))


class TenantLoadRow(_Table, table=True):
    """How many unfinished tasks a tenant has, but for the changes not folded in yet."""

    __tablename__ = "tenant_load"

    tenant_id: str = _text(default="default", primary_key=True)
    unfinished: int = _count(BigInteger, None)


class LoadChangeRow(_Table, table=True):
    """A task that was stored, ended or was opened again."""

    __tablename__ = "load_change"

    tenant_id: str = _text(default="default", primary_key=True)
    change_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    change: int = _count(Integer, None)


class TenantTurnRow(_Table, table=True):
    """Which tenants were served last."""

    __tablename__ = "tenant_turn"

    tenant_id: str = _text(default="default", primary_key=True)
    turn: int = _count(BigInteger, None)


class KeyLimitRow(_Table, table=True):
    """What holds for the tasks of a concurrency key."""

    __tablename__ = "key_limit"

    tenant_id: str = _text(default="default", primary_key=True)
    key: str = _text(primary_key=True)
    concurrency: int = _count(Integer, None)
    rate_count: int | None = Field(sa_column=Column(Integer))
    rate_per_s: float | None = Field(sa_column=Column(Double))
    tokens: float = _seconds()
    refilled_at: datetime = _time(nullable=False)


class BudgetRow(_Table, table=True):
    """What may be used, what was, and what calls under way may still use."""

    __tablename__ = "budget"

    tenant_id: str = _text(default="default", primary_key=True)
    budget_id: str = _text(primary_key=True)
    period: str | None = _text(nullable=True)
    max_cost_usd: Decimal | None = Field(sa_column=Column(Numeric))
    max_tokens: int | None = Field(sa_column=Column(BigInteger))
    max_steps: int | None = Field(sa_column=Column(BigInteger))
    max_seconds: float | None = Field(sa_column=Column(Double))
    spent_cost_usd: Decimal = _count(Numeric)
    spent_tokens: int = _count(BigInteger)
    spent_steps: int = _count(BigInteger)
    spent_seconds: float = _seconds()
    reserved_cost_usd: Decimal = _count(Numeric)
    reserved_tokens: int = _count(BigInteger)
    reserved_steps: int = _count(BigInteger)
    reserved_seconds: float = _seconds()
    since: datetime = _time(nullable=False)


class ReservationRow(_Table, table=True):
    """What one call may use of one budget."""

    __tablename__ = "reservation"

    tenant_id: str = _text(default="default", primary_key=True)
    budget_id: str = _text(primary_key=True)
    task_id: str = _text(primary_key=True)
    path: str = _text(primary_key=True)
    epoch: int = _count(BigInteger, None)
    cost_usd: Decimal = _count(Numeric, None)
    tokens: int = _count(BigInteger, None)
    steps: int = _count(BigInteger, None)
    seconds: float = Field(sa_column=Column(Double, nullable=False))

    __table_args__ = (Index("reservation_of_task", "tenant_id", "task_id"),)
