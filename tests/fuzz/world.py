"""Opspawn under test: every door over one domain, in one event loop, with tenants that have real keys.

`memory_world` is over the in-memory store; `postgres_world` is put together as the real processes are, over a
real PostgreSQL. Nothing here sends anything to anywhere: deliveries of webhooks are stored and never made.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from dramatiq.brokers.stub import StubBroker
from fastapi import FastAPI
from fuzz_hand import Hand
from pydantic import SecretStr

from ops_core.identity.authenticator import Authenticator
from ops_core.identity.guard import Guard
from ops_core.identity.requests import ApiKeyRequest, TenantRequest
from ops_core.ports import WorkerStore
from ops_core.principal import EVERYBODY
from ops_core.queue.bell import DramatiqBell
from ops_core.rpc import create_server
from ops_core.scopes import Scope
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.store import Database, TellingWorkerStore
from ops_core.streams.local import LocalSignals
from ops_core.testing import (
    InMemoryShelf,
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemorySchedules,
    MemoryStore,
    MemoryWebhooks,
    services_of,
)
from opspawn.agent_doors import rest_app
from opspawn.agents.contract import AGENT_KIND, TASK_TYPES
from opspawn.composition import dispatcher_of, ringing
from opspawn.parts import Parts
from opspawn.settings import Settings

_LINKS: Final = "a secret of the tests that is long enough for links"

#: So much does no fuzzer send, but to see that it is refused.
MAX_BYTES: Final = 65_536


@dataclass(frozen=True)
class World:
    """What a fuzzer has of the opened doors."""

    app: FastAPI
    target: str
    """Where gRPC is answered."""

    services: Services
    hand: Hand

    async def tenant(self, name: str) -> str:
        """A new tenant; the key of its administrator."""
        asked = TenantRequest(tenant_id=name, name=name)
        founded = await self.services.tenants.create(asked, by=EVERYBODY, request_id="fuzz")
        return str(founded.text)

    async def operator(self) -> str:
        """A key that may do everything, those things too that only the operator may."""
        asked = ApiKeyRequest(name="fuzz", scopes=[Scope.ADMIN])
        return str((await self.services.keys.create(asked, by=EVERYBODY, request_id="fuzz")).text)


@asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    """Over the in-memory store."""
    store, known = MemoryStore(), MemoryIdentity()
    tasks = TaskService(store, TASK_TYPES, lambda _queue, _task_id: None, store.agents)
    services = services_of(
        tasks,
        store,
        types=TASK_TYPES,
        kind=AGENT_KIND,
        link_secret=_LINKS,
        signals=LocalSignals(),
        schedules=MemorySchedules(store, store.now),
        gate=Guard(Authenticator(MemoryCredentialStore(known)), MemoryAuditStore(known)),
        identity=known,
        webhooks=MemoryWebhooks(store),
    )
    async with _opened(_settings(), services, store, {"store": store.check}) as world:
        yield world
    services.streams.close()


@asynccontextmanager
async def postgres_world(url: str) -> AsyncIterator[World]:
    """Over PostgreSQL, with upkeep."""
    settings = _settings(database_url=SecretStr(url), database_pool=16)
    database, broker = Database(url, pool_size=16), StubBroker(middleware=[])
    parts = Parts(settings, database, url, url, broker, DramatiqBell(broker), LocalSignals())
    stop = asyncio.Event()
    try:
        async with ringing(parts, stop, InMemoryShelf()) as services:
            worker = TellingWorkerStore(database, parts.signals.changed, None)
            upkeep = asyncio.create_task(dispatcher_of(parts).run(stop))
            async with _opened(settings, services, worker, parts.probes()) as world:
                yield world
            stop.set()
            await upkeep
    finally:
        parts.signals.close()
        parts.bell.close()
        await database.close()


@asynccontextmanager
async def _opened(
    settings: Settings,
    services: Services,
    worker: WorkerStore,
    probes: Mapping[str, Callable[[], Any]],
) -> AsyncIterator[World]:
    server = create_server(services, probes=probes, reflection=True, max_message_bytes=MAX_BYTES)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    app = rest_app(settings, services, probes)
    hand = Hand(worker, services.tasks, f"hand-{uuid4().hex[:8]}")
    async with app.router.lifespan_context(app):
        yield World(app, f"127.0.0.1:{port}", services, hand)
    with suppress(asyncio.CancelledError):
        await server.stop(None)


def _settings(**fields: Any) -> Settings:
    return Settings(
        link_secret=SecretStr(_LINKS),
        max_body_bytes=MAX_BYTES,
        stream_keepalive_s=0.05,
        public_url="http://localhost:8000",
        **fields,
    )
