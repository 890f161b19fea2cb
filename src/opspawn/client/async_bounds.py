"""What bounds the work of a client and of others, for asyncio: `client.limits`, `.budgets`, `.tenants`."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from opspawn.client import budgets, limits, tenants
from opspawn.client.async_resources import Resource
from opspawn.client.budgets import Budget
from opspawn.client.limits import Limit
from opspawn.client.tenants import FoundedTenant, Tenant, TenantLimits

T = TypeVar("T")
# `list` is a method here.
Items: TypeAlias = list[T]


class AsyncLimits(Resource):
    """How many tasks of a concurrency key run at once. Every method raises `OpspawnError`."""

    async def put(
        self,
        key: str,
        concurrency: int | None = None,
        *,
        rate: tuple[int, float] | None = None,
    ) -> Limit:
        """From the next start on. `rate`: so many starts in so many seconds, on average."""
        return await self._run(limits.put_limit(key, concurrency, rate))

    async def get(self, key: str) -> Limit:
        return await self._run(limits.limit(key))

    def list(self, **where: Any) -> AsyncGenerator[Limit, None]:
        """Those that are set, by key: `limit` (of a page)."""
        return self._pages(limits.limits(where))

    async def delete(self, key: str) -> None:
        """One task of the key runs at once again."""
        await self._run(limits.remove(key))


class AsyncBudgets(Resource):
    """What may be spent. Every method raises `OpspawnError`."""

    async def put(
        self,
        budget_id: str,
        *,
        cost_usd: Decimal | str | None = None,
        tokens: int | None = None,
        steps: int | None = None,
        seconds: float | None = None,
    ) -> Budget:
        """`day`, `month` or `total` of the tenant, or the id of a task that has one. Spent stays spent."""
        allowed = {"cost_usd": cost_usd, "tokens": tokens, "steps": steps, "seconds": seconds}
        return await self._run(budgets.put_budget(budget_id, allowed))

    async def get(self, budget_id: str) -> Budget:
        return await self._run(budgets.budget(budget_id))

    async def list(self) -> Items[Budget]:
        """The tenant's own; a task's is found by the task's id."""
        return await self._run(budgets.budgets())

    async def delete(self, budget_id: str) -> None:
        """One of the tenant's own; that of a task goes with the task."""
        await self._run(budgets.remove(budget_id))


class AsyncTenants(Resource):
    """All tenants, for callers of the operator's own. Every method raises `OpspawnError`."""

    async def create(self, tenant_id: str, name: str) -> FoundedTenant:
        """With the key of its administrator, which is told this once."""
        return await self._run(tenants.create(tenant_id, name))

    def list(self, **where: Any) -> AsyncGenerator[Tenant, None]:
        """Newest first: `limit` (of a page)."""
        return self._pages(tenants.tenants(where))

    async def disable(self, tenant_id: str) -> Tenant:
        """Nobody of it is let in any more; its tasks go on."""
        return await self._run(tenants.disable(tenant_id))

    async def enable(self, tenant_id: str) -> Tenant:
        return await self._run(tenants.enable(tenant_id))

    async def limits(self, tenant_id: str) -> TenantLimits:
        return await self._run(tenants.limits(tenant_id))

    async def put_limits(self, tenant_id: str, *, max_unfinished_tasks: int) -> TenantLimits:
        """From its next submit on, at every door."""
        return await self._run(tenants.put_limits(tenant_id, max_unfinished_tasks))

    async def delete_limits(self, tenant_id: str) -> None:
        """The limits of the server's settings hold again."""
        await self._run(tenants.remove_limits(tenant_id))
