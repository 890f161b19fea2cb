"""Workers, for asyncio: `client.workers`."""

from collections.abc import AsyncGenerator
from typing import Any

from opspawn.client import workers
from opspawn.client.async_resources import Resource
from opspawn.client.workers import Worker


class AsyncWorkers(Resource):
    """Those of all tenants, for callers of the operator's own. Every method raises `OpspawnError`."""

    def list(self, **where: Any) -> AsyncGenerator[Worker, None]:
        """Newest first: `limit` (of a page)."""
        return self._pages(workers.workers(where))

    async def get(self, worker_id: str) -> Worker:
        return await self._run(workers.worker(worker_id))

    async def drain(self, worker_id: str) -> Worker:
        """It hands over what it runs and takes nothing more, until its process is started again."""
        return await self._run(workers.drain(worker_id))
