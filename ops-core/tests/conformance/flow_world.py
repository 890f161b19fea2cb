"""A store with what flow control and budgets add to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from store_world import World

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import Budget, Settlement, Verdict, Wanted
from ops_core.budgets.port import BudgetStore
from ops_core.flow.key_limit import KeyLimit, Rate
from ops_core.flow.port import LimitStore
from ops_core.identity.ports import TenantStore
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, Appended, Lease
from ops_core.task import Task, Usage


@dataclass(kw_only=True)
class FlowWorld(World):
    """A store with what flow control and budgets add to it."""

    limits: LimitStore
    budgets: BudgetStore
    tenants: TenantStore

    async def limit(self, key: str, concurrency: int = 1, rate: Rate | None = None) -> None:
        limit = KeyLimit(key=key, concurrency=concurrency, rate=rate)
        assert await self.limits.put("default", limit, at_most=10)

    async def finish(self, claimed: Task) -> Task:
        return await self.workers.settle(self.lease(claimed), complete({}))

    async def reserve(self, claimed: Task, path: str = "1/llm", tokens: int = 10) -> Verdict:
        wanted = Wanted(tokens=tokens, cost_usd=Decimal("0.01"))
        return await self.workers.reserve(self.lease(claimed), path, wanted, paid_by(claimed))

    async def settle(self, claimed: Task, path: str = "1/llm", tokens: int = 10) -> Appended:
        """Asks again while others hold the budgets, as a worker's writer does."""
        outcome = Appended.BUSY
        while outcome is Appended.BUSY:
            [outcome] = await self.workers.append([step(claimed, path, tokens)])
        return outcome

    async def budget(self, budget_id: str, tenant_id: str = "default") -> Budget:
        found = await self.budgets.get(tenant_id, budget_id)
        assert found is not None
        return found


MakeWorld = Callable[[], Awaitable[FlowWorld]]


def paid_by(claimed: Task) -> tuple[str, ...]:
    return (*claimed.budget_ids, *claimed.tenant_budget_ids)


def step(claimed: Task, path: str, tokens: int) -> Append:
    """A model call that is recorded, and what it used."""
    used = Amounts(cost_usd=Decimal("0.01"), tokens=tokens, steps=1, seconds=0.5)
    usage = Usage(input_tokens=tokens, cost_usd=used.cost_usd, steps=1)
    event = NewEvent(type=EventType.LLM_COMPLETED, journal={"v": 1, "path": path, "value": path})
    settles = Settlement(path=path, used=used, budget_ids=paid_by(claimed))
    assert claimed.owner is not None
    lease = Lease(claimed.tenant_id, claimed.task_id, claimed.owner, claimed.epoch)
    return Append(lease, [event], usage, settles)


def tokens(most: int) -> Allowance:
    return Allowance(tokens=most)
