"""The rules of a budget. Pure: a store applies what is decided here, under the lock of the budgets' rows.

A call is paid from every budget that holds for its task: its own, those of the tasks above it, and its
tenant's. Before it is made it reserves what it may use at most; so whatever dies, and however many calls are
under way, no more is spent than was there, but for what calls use beyond what they had reserved.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from ops_core.amounts import NOTHING, Allowance, Amounts

#: A tenant's own budgets, by how often they begin anew; days and months are those of UTC.
PERIODS: Final = ("day", "month", "total")

#: No call takes no time: a budget of which no second is left pays for none.
SOME_TIME_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be used, what was, and what calls under way may still use."""

    budget_id: str
    """A task's id, or the period of a tenant's own."""

    period: str | None
    allowance: Allowance
    since: datetime
    spent: Amounts = NOTHING
    reserved: Amounts = NOTHING

    @property
    def left(self) -> Allowance:
        return self.allowance.left(self.spent + self.reserved)

    def at(self, now: datetime) -> "Budget":
        """As it stands now: nothing of it is spent when a new period has begun."""
        if self.period == "day":
            is_over = now.date() > self.since.date()
        elif self.period == "month":
            is_over = (now.year, now.month) > (self.since.year, self.since.month)
        else:
            is_over = False
        return replace(self, spent=NOTHING, since=now) if is_over else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one call may use at most, as well as that can be known before it."""

    tokens: int
    cost_usd: Decimal | None = Decimal(0)
    """None: its price is not known, and no budget of money can pay for it."""

    @property
    def is_priced(self) -> bool:
        return self.cost_usd is not None

    @property
    def amounts(self) -> Amounts:
        cost = self.cost_usd or Decimal(0)
        return Amounts(cost_usd=cost, tokens=self.tokens, steps=1, seconds=SOME_TIME_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """A budget that does not hold what a call may use, also when nothing else is under way."""

    budget_id: str
    what: tuple[str, ...]
    allowance: Allowance
    spent: Amounts
    is_priced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a call may be made. Neither granted nor exhausted: what others reserved is in the way."""

    is_granted: bool = False
    exhausted: Exhausted | None = None


GRANTED: Final = Verdict(is_granted=True)
IN_THE_WAY: Final = Verdict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a recorded step has used: it takes the place of what was reserved for it."""

    path: str
    used: Amounts
    budget_ids: tuple[str, ...]


def judge(budgets: Iterable[Budget], wanted: Wanted) -> Verdict:
    """Whether all of the budgets hold what is wanted."""
    is_free = True
    for budget in budgets:
        what = [*budget.allowance.exceeded_by(budget.spent + wanted.amounts)]
        if budget.allowance.cost_usd is not None and not wanted.is_priced:
            what = [*dict.fromkeys(["cost_usd", *what])]
        if what:
            return Verdict(
                exhausted=Exhausted(
                    budget_id=budget.budget_id,
                    what=tuple(what),
                    allowance=budget.allowance,
                    spent=budget.spent,
                    is_priced=wanted.is_priced,
                )
            )
        if any(budget.allowance.exceeded_by(budget.spent + budget.reserved + wanted.amounts)):
            is_free = False
    return GRANTED if is_free else IN_THE_WAY
