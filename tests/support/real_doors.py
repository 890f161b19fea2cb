"""The REST process as it is composed, over a database: its own socket, and a test that plays the worker."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ops_core.moves import Move
from ops_core.ports import Lease
from ops_core.services import Services
from ops_core.store import TellingWorkerStore
from ops_core.task import Task
from opspawn.agent_doors import rest_app
from opspawn.composition import ringing
from opspawn.doors import serve_rest
from opspawn.parts import Parts, opened
from opspawn.settings import Settings

WORKER = "the-test"


@dataclass(frozen=True)
class RealDoors:
    """Where it is, and what it is made of."""

    url: str
    parts: Parts
    services: Services

    async def claim(self) -> Task:
        """The one task that is due."""
        store = self._workers()
        await store.beat(WORKER, ["default"], slots=1, running=0)
        [task] = await store.claim(WORKER, ["default"], 1)
        return task

    async def settle(self, task: Task, move: Move) -> None:
        lease = Lease(task.tenant_id, task.task_id, WORKER, task.epoch)
        await self._workers().settle(lease, move)

    def _workers(self) -> TellingWorkerStore:
        return TellingWorkerStore(self.parts.database, self.parts.signals.changed, None)


@asynccontextmanager
async def real_doors(database_url: str, **settings: Any) -> AsyncIterator[RealDoors]:
    """`settings`: what is different from a server that asks nobody who he is."""
    stop = asyncio.Event()
    chosen = Settings(_env_file=None, **{"auth": "none", "log_level": "error", **settings})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with opened(chosen, database_url) as parts, ringing(parts, stop) as services:
            app = rest_app(chosen, services, parts.probes())
            serving = asyncio.create_task(serve_rest(app, listening, stop))
            port = listening.getsockname()[1]
            try:
                yield RealDoors(f"http://127.0.0.1:{port}", parts, services)
            finally:
                stop.set()
                await serving
