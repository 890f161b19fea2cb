"""Workers, by blocking: `client.workers`."""

from collections.abc import Iterator
from typing import Any

from opspawn.client import workers
from opspawn.client.blocking_resources import Resource
from opspawn.client.workers import Worker


class Workers(Resource):
    """Those of all tenants, for callers of the operator's own. Every method raises `OpspawnError`."""

    def list(self, **where: Any) -> Iterator[Worker]:
        """Newest first: `limit` (of a page)."""
        return self._pages(workers.workers(where))

    def get(self, worker_id: str) -> Worker:
        return self._run(workers.worker(worker_id))

    def drain(self, worker_id: str) -> Worker:
        """It hands over what it runs and takes nothing more, until its process is started again."""
        return self._run(workers.drain(worker_id))
