"""What an operator can do with the workers."""

import re
from typing import Final

from ops_core.errors import WorkerNotFound
from ops_core.fleet.port import FleetStore, SeenWorker, WorkerPage
from ops_core.identity.tenants import refuse_guests
from ops_core.principal import Principal
from ops_core.scopes import Scope

#: A host's name, a process id and a random part; no store can hold anything else.
_ID: Final = re.compile("[^\x00\ud800-\udfff]{1,400}")


class FleetService:
    """Workers run the tasks of every tenant: for callers of the operator's own."""

    def __init__(self, store: FleetStore) -> None:
        self._store = store

    async def page(self, *, by: Principal, limit: int, cursor: str | None) -> WorkerPage:
        """Newest first. Raises `InvalidRequest`."""
        refuse_guests(by, Scope.WORKERS_READ)
        return await self._store.page(limit=limit, cursor=cursor)

    async def get(self, worker_id: str, *, by: Principal) -> SeenWorker:
        """Raises `WorkerNotFound`."""
        refuse_guests(by, Scope.WORKERS_READ)
        return await self._store.get(_known(worker_id))

    async def drain(self, worker_id: str, *, by: Principal) -> SeenWorker:
        """Lets it hand over what it runs and take nothing more, until its process is started again.

        Raises `WorkerNotFound`.
        """
        refuse_guests(by, Scope.WORKERS_WRITE)
        return await self._store.drain(_known(worker_id))


def _known(worker_id: str) -> str:
    if not _ID.fullmatch(worker_id):
        raise WorkerNotFound(worker_id)
    return worker_id
