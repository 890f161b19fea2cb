"""Two tenants try every route, every RPC, every tool: none ever hears of the other (I13)."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import grpc.aio
import pytest
from fuzz_faults import faults
from tenants_machine import Machine, machine_for, run
from world import World, memory_world, postgres_world

from support.fuzz_results import SEED, count, record

# Half a minute of work in one process: not once for each Python.
# In full it takes its time.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

#: What nobody may do: there is no other card.
NEVER: Final = frozenset({"a2a GetExtendedAgentCard"})

#: What no tenant may do: only the operator has other tenants, workers, and figures of all of them.
OPERATORS: Final = (
    *("/api/v1/tenants", "TenantService/", "/api/v1/workers", "WorkerService/"),
    "GET /metrics",
)


@asynccontextmanager
async def machine_in(world: World) -> AsyncIterator[Machine]:
    async with grpc.aio.insecure_channel(world.target) as channel:
        yield await machine_for(world, channel, Random(SEED))


async def judged(machine: Machine, what: str, operations: int, walkers: int) -> None:
    """Runs it, and fails with what was violated."""
    started_s = time.monotonic()
    with faults() as logged:
        await run(machine, SEED, operations, walkers)
    violations = [*map(str, machine.watch.violations), *logged]
    record(what, machine.score.operations, len(violations), time.monotonic() - started_s)
    assert not violations, "\n\n".join(violations[:5])


def undone(machine: Machine) -> set[str]:
    """Operations that did nothing for anybody: refused every time."""
    labels = {op.label for op in machine.operations if not machine.score.ok[op.label]} - NEVER
    return {label for label in labels if not any(of in label for of in OPERATORS)}


def excused(machine: Machine) -> int:
    """How many may be undone: some need what only chance brings, such as a call in doubt, and many tries."""
    tries = machine.score.operations / len(machine.operations)
    return len(machine.operations) if tries < 10 else 25 if tries < 200 else 0


async def test_no_tenant_hears_of_another_whatever_they_try() -> None:
    """No answer holds a word or an id of the other; another's thing is answered as one that is not there."""
    async with memory_world() as world, machine_in(world) as machine:
        await judged(machine, "two tenants, in memory", count(2_000, 20_000), walkers=1)
        # Else nothing was tried but refusals. A few depend on what becomes of tasks, which is chance.
        assert len(undone(machine)) <= excused(machine)


async def test_postgresql_keeps_tenants_apart_whatever_they_try(database_url: str) -> None:
    """The same over PostgreSQL, where the rows of both lie in one table, with eight clients at once."""
    async with postgres_world(database_url) as world, machine_in(world) as machine:
        await judged(machine, "two tenants, on PostgreSQL", count(400, 100_000), walkers=8)
        assert len(undone(machine)) <= excused(machine)
