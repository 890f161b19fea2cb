"""What the guards of a step cost, and what sharing commits saves: steps a second through the step writer.

Opspawn's writer; the same one over a store that only inserts (no epoch, no lock, no `seq` of the row's); and
Opspawn's statement for one step after another, a commit each.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Final
from uuid import uuid4

import asyncpg
from benchmarks import step_cost
from benchmarks.results import Results
from benchmarks.worker_alone import WAITING
from sqlalchemy import text

from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, Appended, Lease, WorkerStore
from ops_core.store import Database, SqlWorkerStore
from ops_core.store.batch import event_columns
from ops_core.task import NOTHING_USED
from ops_core.writer import StepWriter

STEPS: Final = "steps a second, {} in flight"
GUARDED, BARE, ALONE = "opspawn", "without guards", "a commit each"
LONE: Final = "a lone step beyond a bare insert, p50"

IN_FLIGHT: Final = (200, 1000)

#: Steps that are committed one by one, and those of a lone task.
FEW: Final = 500

_EVENT: Final = NewEvent(type=EventType.TOOL_COMPLETED, data={"step": 1}, journal={"value": None})

# The rows of a batch as they come.
_INSERT: Final = """
    INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
    SELECT *, ops_now() FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::int[],
                                    $6::jsonb[], $7::jsonb[])
"""


class BareStore(SqlWorkerStore):
    """Inserts what it is given, under numbers of its own, far from those that are given out under locks."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seq = Counter[str]()

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        numbers, _, *columns = event_columns(batch)[:6]
        leases = [batch[number - 1].lease for number in numbers]
        tasks = [lease.task_id for lease in leases]
        self._seq.update(tasks)
        seqs = [1_000_000 + self._seq[task_id] for task_id in tasks]
        tenants = [lease.tenant_id for lease in leases]
        async with self._database.driver() as connection:
            await connection.execute(_INSERT, tenants, tasks, seqs, *columns)
        return [Appended.STORED] * len(batch)


async def measure(url: str, steps: int, results: Results) -> None:
    """About so many steps of each kind in an empty database. `url`: postgresql+asyncpg://…"""
    database = Database(url)
    try:
        store = SqlWorkerStore(database)
        for in_flight in IN_FLIGHT:
            name, leases = STEPS.format(in_flight), await _running(database, store, in_flight)
            each = max(1, steps // in_flight)
            for system, writes in ((GUARDED, store), (BARE, BareStore(database))):
                await _together(writes, leases, 1)  # connects and prepares
                rate = await _together(writes, leases, each)
                results.add(name, system, "steps/s", rate)
            results.add(name, ALONE, "steps/s", await _one_by_one(store, leases[0]))
    finally:
        await database.close()
    alone = median((await step_cost.run(url, FEW, "pure"))[1:])
    results.add(LONE, GUARDED, "ms", (alone - await _insert(url)) * 1000)


async def _running(database: Database, store: WorkerStore, count: int) -> list[Lease]:
    """So many tasks, claimed; the planner knows how many, as it does soon after a dispatcher has begun."""
    worker = uuid4().hex
    async with database.begin() as connection:
        await connection.execute(WAITING, {"tasks": count, "run": worker})
        await connection.execute(text("ANALYZE task"))
    await store.beat(worker, ["default"], slots=count, running=0)
    tasks = await store.claim(worker, ["default"], count)
    return [Lease(task.tenant_id, task.task_id, worker, task.epoch) for task in tasks]


async def _together(store: WorkerStore, leases: Sequence[Lease], each: int) -> float:
    """Steps a second of as many tasks as there are leases, each with one step at a time."""
    async with _writing(store) as writer:

        async def run(lease: Lease) -> None:
            for _ in range(each):
                await writer.append(lease, [_EVENT], NOTHING_USED)

        began = time.perf_counter()
        await asyncio.gather(*(run(lease) for lease in leases))
        return each * len(leases) / (time.perf_counter() - began)


@asynccontextmanager
async def _writing(store: WorkerStore) -> AsyncIterator[StepWriter]:
    writer = StepWriter(store)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _one_by_one(store: WorkerStore, lease: Lease) -> float:
    began = time.perf_counter()
    for _ in range(FEW):
        await store.append([Append(lease, [_EVENT], NOTHING_USED)])
    return FEW / (time.perf_counter() - began)


async def _insert(url: str) -> float:
    """Seconds of one event that is inserted and committed by itself, in the median."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        task_id, took = uuid4().hex, []
        for seq in range(1, FEW + 1):
            began = time.perf_counter()
            row = (["default"], [task_id], [seq], [_EVENT.type.value], [1], ["{}"], [None])
            await connection.execute(_INSERT, *row)
            took.append(time.perf_counter() - began)
    finally:
        await connection.close()
    return median(took[1:])
