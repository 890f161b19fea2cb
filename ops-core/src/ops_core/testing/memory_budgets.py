"""The ledger of the in-memory store."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ops_core.amounts import Allowance
from ops_core.budgets.ledger import PERIODS, Budget, Settlement, Verdict, Wanted, judge
from ops_core.errors import LostOwnership
from ops_core.log import EventType, NewEvent
from ops_core.ports import Lease, TaskKey
from ops_core.task import Status
from ops_core.testing.memory_state import MemoryState, Reserved


class MemoryLedger(MemoryState):
    """What calls may use is reserved, and settled with their steps."""

    async def reserve(
        self,
        lease: Lease,
        path: str,
        wanted: Wanted,
        budget_ids: Sequence[str],
        *,
        waited: bool = False,
    ) -> Verdict:
        if not self._holds(lease):
            raise LostOwnership(f"{lease.task_id} is no longer held under epoch {lease.epoch}")
        self._free({(lease.tenant_id, budget_id) for budget_id in budget_ids})
        self._give_back(lease, path, budget_ids)
        held = [b for b in sorted(budget_ids) if (lease.tenant_id, b) in self.flow.budgets]
        now = self._clock()
        budgets = [self.flow.budgets[lease.tenant_id, b].at(now) for b in held]
        verdict = judge(budgets, wanted)
        if held and verdict.is_granted:
            for budget in budgets:
                place = (lease.tenant_id, budget.budget_id)
                more = budget.reserved + wanted.amounts
                self.flow.budgets[place] = replace(budget, reserved=more)
                self.flow.reservations[(*place, lease.task_id, path)] = Reserved(
                    lease.epoch, wanted.amounts
                )
            data = {"path": path, "budgets": held, **wanted.amounts.json()}
            self._add(
                TaskKey(lease.tenant_id, lease.task_id),
                NewEvent(type=EventType.BUDGET_RESERVED, data=data),
            )
        return verdict

    async def put_back(self, lease: Lease, path: str, budget_ids: Sequence[str]) -> None:
        self._give_back(lease, path, budget_ids)

    def _settle_step(self, lease: Lease, settled: Settlement) -> None:
        for budget_id in settled.budget_ids:
            place = (lease.tenant_id, budget_id)
            self._return((*place, lease.task_id, settled.path))
            if place in self.flow.budgets:
                budget = self.flow.budgets[place].at(self._clock())
                self.flow.budgets[place] = replace(budget, spent=budget.spent + settled.used)

    def _free(self, budgets: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Gives back what was reserved under epochs that are over; in which of the budgets."""
        dead = [
            place
            for place, reserved in self.flow.reservations.items()
            if place[:2] in budgets and not self._is_live(place, reserved)
        ]
        for place in dead:
            self._return(place)
        return {place[:2] for place in dead}

    def _is_live(self, place: tuple[str, str, str, str], reserved: Reserved) -> bool:
        row = self._rows.get(TaskKey(place[0], place[2]))
        return (
            row is not None
            and row.task.status is Status.RUNNING
            and row.task.epoch == reserved.epoch
        )

    def _give_back(self, lease: Lease, path: str, budget_ids: Sequence[str]) -> None:
        for budget_id in budget_ids:
            place = (lease.tenant_id, budget_id, lease.task_id, path)
            reserved = self.flow.reservations.get(place)
            if reserved is not None and reserved.epoch == lease.epoch:
                self._return(place)

    def _return(self, place: tuple[str, str, str, str]) -> None:
        reserved = self.flow.reservations.pop(place, None)
        budget = self.flow.budgets.get(place[:2])
        if reserved is not None and budget is not None:
            self.flow.budgets[place[:2]] = replace(
                budget, reserved=budget.reserved - reserved.amounts
            )


class MemoryBudgetStore:
    """`BudgetStore` over the state of an in-memory store; alone, over none."""

    def __init__(self, store: MemoryState | None = None) -> None:
        self._flow = (MemoryState() if store is None else store).flow

    async def get(self, tenant_id: str, budget_id: str) -> Budget | None:
        found = self._flow.budgets.get((tenant_id, budget_id))
        return None if found is None else found.at(self._flow.clock())

    async def own(self, tenant_id: str) -> Sequence[Budget]:
        found = [await self.get(tenant_id, period) for period in PERIODS]
        return [budget for budget in found if budget is not None]

    async def put(self, tenant_id: str, budget_id: str, allowance: Allowance) -> Budget | None:
        place = (tenant_id, budget_id)
        known = self._flow.budgets.get(place)
        if known is not None:
            self._flow.budgets[place] = replace(known, allowance=allowance)
        elif budget_id in PERIODS:
            self._flow.budgets[place] = Budget(
                budget_id=budget_id,
                period=budget_id,
                allowance=allowance,
                since=self._flow.clock(),
            )
        return await self.get(tenant_id, budget_id)

    async def delete(self, tenant_id: str, period: str) -> bool:
        for place in [p for p in self._flow.reservations if p[:2] == (tenant_id, period)]:
            del self._flow.reservations[place]
        return self._flow.budgets.pop((tenant_id, period), None) is not None
