"""What a tenant can do with budgets: its own, and those of its tasks."""

from collections.abc import Sequence

from ops_core.amounts import Allowance
from ops_core.budgets.ledger import PERIODS, Budget
from ops_core.budgets.port import BudgetStore
from ops_core.errors import BudgetNotFound
from ops_core.task import Task


class BudgetService:
    """A change holds for the next call that is made: by tasks that are claimed after it, where the budget is
    new."""

    def __init__(self, store: BudgetStore) -> None:
        self._store = store

    async def list(self, *, tenant_id: str) -> Sequence[Budget]:
        """The tenant's own; a task's is found by the task's id."""
        return await self._store.own(tenant_id)

    async def get(self, budget_id: str, *, tenant_id: str) -> Budget:
        """Raises `BudgetNotFound`."""
        found = await self._store.get(tenant_id, _checked(budget_id))
        if found is None:
            raise BudgetNotFound(budget_id)
        return found

    async def of_task(self, task: Task) -> Budget | None:
        """A task's own budget; None for a task without one, which costs nothing to find."""
        if task.budget is None:
            return None
        return await self._store.get(task.tenant_id, task.task_id)

    async def put(self, budget_id: str, allowance: Allowance, *, tenant_id: str) -> Budget:
        """Raises `BudgetNotFound` for a task that has none."""
        found = await self._store.put(tenant_id, _checked(budget_id), allowance)
        if found is None:
            raise BudgetNotFound(budget_id)
        return found

    async def delete(self, budget_id: str, *, tenant_id: str) -> None:
        """Raises `BudgetNotFound`: a task's budget is deleted with the task."""
        if budget_id not in PERIODS or not await self._store.delete(tenant_id, budget_id):
            raise BudgetNotFound(budget_id)


def _checked(budget_id: str) -> str:
    """What cannot be an id is not asked for."""
    if not 1 <= len(budget_id) <= 100 or not budget_id.isprintable():
        raise BudgetNotFound(budget_id)
    return budget_id
