"""What a model call may use of a budget, in tokens and in money."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from agentkit.journal import Step
from agentkit.llm.estimate import ANSWER_TOKENS
from agentkit.llm.pricing import cost_usd
from agentkit.messages import Usage
from ops_core.budgets.ledger import Wanted
from ops_core.task import Task

#: The part of its own budget that a task may use for one answer, and the least that is an answer.
_PART: Final = 4
_LEAST_TOKENS: Final = 64

Price = Callable[[str, Usage], Decimal | None]
"""What a model, by its name, asks for so much; None when nobody knows."""


def no_price(_model: str, _used: Usage) -> Decimal | None:
    """Of models that nobody knows the price of."""
    return None


class Prices:
    """The prices of the models of one run, each asked of the provider that its agent names: a `Price`.

    A model of this machine costs nothing. Where two agents ask two providers for models of one name, the
    dearer one counts, for what is reserved must be enough for either.
    """

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        # A tuple: an agent asks one model or two, and ten thousand agents wait.
        self._asked: tuple[tuple[str, str], ...] = ()

    def add(self, model: str, provider: str) -> None:
        """Says of whom a model is asked."""
        if (model, provider) not in self._asked:
            self._asked += ((model, provider),)

    def __call__(self, model: str, used: Usage) -> Decimal | None:
        found = [_price(provider, model, used) for name, provider in self._asked if name == model]
        known = [price for price in found if price is not None]
        return max(known, default=None) if len(known) == len(found) else None


def _price(provider: str, model: str, used: Usage) -> Decimal | None:
    return Decimal(0) if provider == "local" else cost_usd(provider, "", model, used)


def answer_tokens(task: Task) -> int | None:
    """How long an answer of a model may be: None where no budget holds, and the provider decides.

    Where one does, the length is part of what is reserved before the call, so it must be kept.
    """
    if not task.budget_ids and not task.tenant_budget_ids:
        return None
    own = task.budget.tokens if task.budget else None
    return ANSWER_TOKENS if own is None else min(ANSWER_TOKENS, max(_LEAST_TOKENS, own // _PART))


def wanted(step: Step, price: Price) -> Wanted | None:
    """What a step may use; None for one that uses nothing."""
    if step.may_use is None:
        return None
    most = step.may_use()
    return Wanted(tokens=most.total_tokens, cost_usd=price(step.name, most))
