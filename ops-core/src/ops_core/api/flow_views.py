"""What clients see of limits and of budgets."""

from typing import Self

from pydantic import BaseModel, Field

from ops_core.amounts import Amounts
from ops_core.api.views import AllowanceView, Cost, Time
from ops_core.budgets.ledger import Budget
from ops_core.flow.key_limit import KeyLimit
from ops_core.flow.service import LimitPage


class RateView(BaseModel):
    """A bucket of `count` starts that fills in `per_s` seconds: at most twice as many in any such time."""

    count: int
    per_s: float


class LimitView(BaseModel):
    """What holds for the tasks of a concurrency key."""

    key: str = Field(examples=["customer-17"])
    concurrency: int
    rate: RateView | None

    @classmethod
    def of(cls, limit: KeyLimit) -> Self:
        rate = RateView(count=limit.rate.count, per_s=limit.rate.per_s) if limit.rate else None
        return cls(key=limit.key, concurrency=limit.concurrency, rate=rate)


class LimitPageView(BaseModel):
    """Limits, by key."""

    limits: list[LimitView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: LimitPage) -> Self:
        return cls(limits=[LimitView.of(one) for one in page.limits], next_cursor=page.next_cursor)


class AmountsView(BaseModel):
    """What was used."""

    cost_usd: Cost
    tokens: int
    steps: int
    seconds: float

    @classmethod
    def of(cls, amounts: Amounts) -> Self:
        return cls(
            cost_usd=amounts.cost_usd,
            tokens=amounts.tokens,
            steps=amounts.steps,
            seconds=amounts.seconds,
        )


class BudgetView(BaseModel):
    """A budget: `left` is what is neither spent nor reserved by calls under way."""

    budget_id: str = Field(description="`day`, `month`, `total`, or the id of a task.")
    allowed: AllowanceView
    spent: AmountsView
    reserved: AmountsView
    left: AllowanceView
    since: Time = Field(description="Since when it counts what is spent.")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        return cls(
            budget_id=budget.budget_id,
            allowed=AllowanceView.of(budget.allowance),
            spent=AmountsView.of(budget.spent),
            reserved=AmountsView.of(budget.reserved),
            left=AllowanceView.of(budget.left),
            since=budget.since,
        )


class BudgetListView(BaseModel):
    """The tenant's own budgets."""

    budgets: list[BudgetView]
