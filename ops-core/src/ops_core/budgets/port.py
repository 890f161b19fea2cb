"""What the service of budgets asks of a store."""

from collections.abc import Sequence
from typing import Protocol

from ops_core.amounts import Allowance
from ops_core.budgets.ledger import Budget


class BudgetStore(Protocol):
    """The budgets of a tenant and of its tasks. Raises `StoreUnavailable`."""

    async def get(self, tenant_id: str, budget_id: str) -> Budget | None:
        """As it stands now."""
        ...

    async def own(self, tenant_id: str) -> Sequence[Budget]:
        """The tenant's own, at most one a period, by that."""
        ...

    async def put(self, tenant_id: str, budget_id: str, allowance: Allowance) -> Budget | None:
        """Sets what may be used; what was stays spent. A tenant's own is made when it is not there.

        None: there is no such budget.
        """
        ...

    async def delete(self, tenant_id: str, period: str) -> bool:
        """Whether the tenant had one; calls under way are not charged to it any more."""
        ...
