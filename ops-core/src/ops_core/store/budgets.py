"""Budgets in PostgreSQL, as the doors see them."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import PERIODS, Budget
from ops_core.store.database import Database
from ops_core.store.rows import Row

# A new budget, or another allowance for the one that is there. Index: primary key.
_PUT: Final = text(
    """
    INSERT INTO budget (tenant_id, budget_id, period, max_cost_usd, max_tokens, max_steps, max_seconds,
                        since)
    VALUES (:tenant_id, :budget_id, CAST(:period AS text), :cost_usd, :tokens, :steps, :seconds,
            ops_now())
    ON CONFLICT (tenant_id, budget_id) DO UPDATE SET
        max_cost_usd = EXCLUDED.max_cost_usd, max_tokens = EXCLUDED.max_tokens,
        max_steps = EXCLUDED.max_steps, max_seconds = EXCLUDED.max_seconds
    RETURNING *, ops_now() AS now
    """
)

# Another allowance for a task's budget. Index: primary key.
_CHANGE: Final = text(
    """
    UPDATE budget SET max_cost_usd = :cost_usd, max_tokens = :tokens, max_steps = :steps,
                      max_seconds = :seconds
    WHERE tenant_id = :tenant_id AND budget_id = :budget_id
    RETURNING *, ops_now() AS now
    """
)

# Index: primary key.
_GET: Final = text(
    """
    SELECT *, ops_now() AS now FROM budget WHERE tenant_id = :tenant_id AND budget_id = :budget_id
    """
)
_OWN: Final = text(
    """
    SELECT *, ops_now() AS now FROM budget
    WHERE tenant_id = :tenant_id AND budget_id IN ('day', 'month', 'total') ORDER BY budget_id
    """
)
_DELETE: Final = text(
    """
    WITH gone AS (
        DELETE FROM budget WHERE tenant_id = :tenant_id AND budget_id = :budget_id RETURNING *
    ), freed AS (
        DELETE FROM reservation r USING gone g
        WHERE r.tenant_id = g.tenant_id AND r.budget_id = g.budget_id
    )
    SELECT budget_id FROM gone
    """
)


class SqlBudgetStore:
    """`BudgetStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str, budget_id: str) -> Budget | None:
        asked = {"tenant_id": tenant_id, "budget_id": budget_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_GET, asked)).one_or_none()
        return None if row is None else budget_of(row)

    async def own(self, tenant_id: str) -> Sequence[Budget]:
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_OWN, {"tenant_id": tenant_id})).all()
        return [budget_of(row) for row in rows]

    async def put(self, tenant_id: str, budget_id: str, allowance: Allowance) -> Budget | None:
        asked = _columns(tenant_id, budget_id, allowance)
        statement = _PUT if budget_id in PERIODS else _CHANGE
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(statement, asked)).one_or_none()
        return None if row is None else budget_of(row)

    async def delete(self, tenant_id: str, period: str) -> bool:
        asked = {"tenant_id": tenant_id, "budget_id": period}
        async with self._database.begin_for(tenant_id) as connection:
            return (await connection.execute(_DELETE, asked)).one_or_none() is not None


async def open_budget(
    connection: AsyncConnection, tenant_id: str, task_id: str, allowance: Allowance
) -> None:
    """Opens the budget of a new task, in the transaction that stores it."""
    await connection.execute(_PUT, _columns(tenant_id, task_id, allowance))


def budget_of(row: Row) -> Budget:
    """As it stands now: the row brings the database's time with it."""
    return Budget(
        budget_id=row.budget_id,
        period=row.period,
        allowance=Allowance(
            cost_usd=row.max_cost_usd,
            tokens=row.max_tokens,
            steps=row.max_steps,
            seconds=row.max_seconds,
        ),
        since=row.since,
        spent=_amounts(row, "spent"),
        reserved=_amounts(row, "reserved"),
    ).at(row.now)


def _amounts(row: Row, kind: str) -> Amounts:
    return Amounts(
        cost_usd=getattr(row, f"{kind}_cost_usd"),
        tokens=getattr(row, f"{kind}_tokens"),
        steps=getattr(row, f"{kind}_steps"),
        seconds=round(getattr(row, f"{kind}_seconds"), 3),
    )


def _columns(tenant_id: str, budget_id: str, allowance: Allowance) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "budget_id": budget_id,
        "period": budget_id if budget_id in PERIODS else None,
        "cost_usd": allowance.cost_usd,
        "tokens": allowance.tokens,
        "steps": allowance.steps,
        "seconds": allowance.seconds,
    }
