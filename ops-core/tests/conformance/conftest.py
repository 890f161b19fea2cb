"""One world a store: the same suite runs over the fake and over PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from flow_world import FlowWorld
from identity_desk import Desk
from store_world import GRACE_MAX_S, GRACE_S, TTL_S, World, postgres_clock
from webhook_world import Hooks

from ops_core.admission import AdmissionLimits
from ops_core.store import (
    Database,
    SqlAgentStore,
    SqlAskStore,
    SqlAuditStore,
    SqlBudgetStore,
    SqlCredentialStore,
    SqlDeliveries,
    SqlFleetStore,
    SqlKeyStore,
    SqlLimitStore,
    SqlTaskStore,
    SqlTenantStore,
    SqlThreadStore,
    SqlUpkeepStore,
    SqlWebhooks,
    SqlWorkerStore,
)
from ops_core.testing import (
    FrozenClock,
    MemoryAuditStore,
    MemoryBudgetStore,
    MemoryCredentialStore,
    MemoryFleetStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryLimitStore,
    MemoryStore,
    MemoryTenantStore,
    MemoryWebhooks,
)


@pytest.fixture(params=["memory", "postgres"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    limits: dict[str, Any] = {
        "ring_grace_s": GRACE_S,
        "ring_grace_max_s": GRACE_MAX_S,
        "heartbeat_ttl_s": TTL_S,
    }
    if request.param == "memory":
        clock = FrozenClock()
        store = MemoryStore(clock, **limits)

        async def bury_killed() -> int:
            store.silence_is_death = True
            try:
                return await store.bury_workers(10)
            finally:
                store.silence_is_death = False

        world = World(store, store, store, clock.advance, bury_killed, store)
        world.agents, world.threads = store.agents, store.threads
        world.fleet = MemoryFleetStore(store)
        yield world
        return
    database = Database(request.getfixturevalue("database_url"), pool_size=5)
    world = World(
        SqlTaskStore(database, ring_grace_s=GRACE_S),
        SqlWorkerStore(database),
        SqlUpkeepStore(database, **limits),
        postgres_clock(database),
        # Nobody in these suites holds a presence.
        lambda: SqlUpkeepStore(database, reconnect_grace_s=TTL_S, **limits).bury_workers(10),
        SqlAskStore(database),
    )
    world.agents, world.threads = SqlAgentStore(database), SqlThreadStore(database)
    world.fleet = SqlFleetStore(database, heartbeat_ttl_s=TTL_S)
    yield world
    await database.close()


@pytest.fixture
def admission() -> AdmissionLimits:
    """What `flow` admits; a suite that is about it has a fixture of its own."""
    return AdmissionLimits()


@pytest.fixture(params=["memory", "postgres"])
def flow_store(request: pytest.FixtureRequest) -> str:
    """The stores that `flow` is over; a suite that is about rows has PostgreSQL alone."""
    return str(request.param)


@pytest.fixture
async def flow(
    request: pytest.FixtureRequest, admission: AdmissionLimits, flow_store: str
) -> AsyncIterator[FlowWorld]:
    if flow_store == "memory":
        clock = FrozenClock()
        store = MemoryStore(clock, ring_grace_s=GRACE_S, admission=admission)

        async def bury() -> int:
            return await store.bury_workers(10)

        yield FlowWorld(
            store,
            store,
            store,
            clock.advance,
            bury,
            limits=MemoryLimitStore(store),
            budgets=MemoryBudgetStore(store),
            tenants=MemoryTenantStore(MemoryIdentity(clock), store.own_limits),
        )
        return
    database = Database(request.getfixturevalue("database_url"), pool_size=20)
    upkeep = SqlUpkeepStore(database, ring_grace_s=GRACE_S)
    yield FlowWorld(
        SqlTaskStore(database, ring_grace_s=GRACE_S, admission=admission),
        SqlWorkerStore(database),
        upkeep,
        postgres_clock(database),
        lambda: upkeep.bury_workers(10),
        limits=SqlLimitStore(database),
        budgets=SqlBudgetStore(database),
        tenants=SqlTenantStore(database),
    )
    await database.close()


@pytest.fixture
async def hooks(world: World) -> AsyncIterator[Hooks]:
    """Webhooks beside the world's tasks."""
    if isinstance(world.tasks, MemoryStore):
        memory = MemoryWebhooks(world.tasks)
        yield Hooks(world, memory, memory)
        return
    assert isinstance(world.tasks, SqlTaskStore)
    database = world.tasks._database
    yield Hooks(world, SqlWebhooks(database), SqlDeliveries(database))


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    if request.param == "memory":
        clock = FrozenClock()
        state = MemoryIdentity(clock)
        yield Desk(
            MemoryCredentialStore(state),
            MemoryKeyStore(state),
            MemoryTenantStore(state),
            MemoryAuditStore(state),
            clock.advance,
        )
        return
    database = Database(request.getfixturevalue("database_url"), pool_size=3)
    yield Desk(
        SqlCredentialStore(database),
        SqlKeyStore(database),
        SqlTenantStore(database),
        SqlAuditStore(database),
        postgres_clock(database),
    )
    await database.close()
