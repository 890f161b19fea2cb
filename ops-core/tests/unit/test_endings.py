"""Group commit of ends: who shares a commit, and who is settled alone."""

import asyncio
from collections.abc import Sequence

import pytest
from execute_support import INTENT, Bench, a_bench

from ops_core.endings import EndWriter
from ops_core.errors import StoreUnavailable, TaskFailed
from ops_core.log import EventType
from ops_core.moves import complete
from ops_core.ports import Ending, Lease, TaskLog
from ops_core.task import JsonObject, NewTask, Status, Task, new_task_id
from ops_core.testing import MemoryStore

pytestmark = pytest.mark.unit


class GatedStore(MemoryStore):
    """Ends a batch when the test opens the gate, and remembers the size of each."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.batches: list[int] = []
        self.refusal: Exception | None = None

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        self.batches.append(len(batch))
        self.asked.set()
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        return await super().end_together(batch)

    async def leases(self, count: int) -> list[Lease]:
        await self.beat("w", ["default"], slots=count, running=0)
        for _ in range(count):
            await self.submit(
                NewTask(task_id=new_task_id(), tenant_id="default", task_type="x", input_data={})
            )
        tasks = await self.claim("w", ["default"], count)
        return [Lease(task.tenant_id, task.task_id, "w", task.epoch) for task in tasks]


async def test_ends_that_gather_during_a_commit_share_the_next() -> None:
    """While one commit is under way, the others wait and go out together."""
    store = GatedStore()
    ends, leases = EndWriter(store), await store.leases(10)
    first = asyncio.create_task(ends.end(leases[0], complete({})))
    await store.asked.wait()
    others = [asyncio.create_task(ends.end(lease, complete({}))) for lease in leases[1:]]
    await asyncio.sleep(0)
    store.gate.set()
    assert [True] * 10 == await asyncio.gather(first, *others)
    assert [1, 9] == store.batches


async def test_a_batch_that_is_refused_is_settled_one_by_one() -> None:
    """One value that the store cannot hold costs nobody else its end."""
    store = GatedStore()
    store.gate.set()
    store.refusal = ValueError("no column takes this")
    ends, leases = EndWriter(store), await store.leases(2)
    outcomes = await asyncio.gather(*(ends.end(lease, complete({})) for lease in leases))
    assert [False, False] == outcomes


async def test_everybody_hears_that_the_store_is_away() -> None:
    """Each asks again by itself: whether the batch was committed is not known."""
    store = GatedStore()
    store.gate.set()
    store.refusal = StoreUnavailable("away")
    ends, leases = EndWriter(store), await store.leases(2)
    asked = (ends.end(lease, complete({})) for lease in leases)
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [StoreUnavailable] * 2 == [type(outcome) for outcome in outcomes]


async def test_an_end_that_nobody_waits_for_is_made_all_the_same() -> None:
    """A run that is cut off while its end is under way does not break the commit of the others."""
    store = GatedStore()
    ends, leases = EndWriter(store), await store.leases(2)
    first = asyncio.create_task(ends.end(leases[0], complete({})))
    second = asyncio.create_task(ends.end(leases[1], complete({})))
    await store.asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    store.gate.set()
    assert await second


@pytest.mark.parametrize("concurrency_key", [None, "account"])
async def test_only_a_task_with_a_key_is_settled_alone(concurrency_key: str | None) -> None:
    """Its end has to open a gate; all other completions go with the others."""
    async with a_bench() as bench:
        settled = _watched(bench)
        fields = {} if concurrency_key is None else {"concurrency_key": concurrency_key}

        async def body(_task: Task, _log: TaskLog) -> JsonObject:
            return {}

        task = await bench.run(body, **fields)
    assert (Status.COMPLETED, concurrency_key is not None) == (task.status, bool(settled))


async def test_a_failure_that_leaves_a_call_in_doubt_is_settled_alone() -> None:
    """What the log must say of the call is found by reading it."""
    async with a_bench() as bench:
        settled = _watched(bench)

        async def body(_task: Task, log: TaskLog) -> JsonObject:
            await log.append(INTENT)
            raise TaskFailed("x", "No.")

        task = await bench.run(body)
        log = await bench.store.log("default", task.task_id)
    assert (Status.FAILED, 1) == (task.status, len(settled))
    assert EventType.TOOL_UNKNOWN in [event.type for event in log]


def _watched(bench: Bench) -> list[Lease]:
    """The leases of tasks that are settled by themselves, as they are."""
    plain, settled = bench.store.settle, list[Lease]()

    async def settle(lease: Lease, move: object) -> Task:
        settled.append(lease)
        return await plain(lease, move)  # type: ignore[arg-type]

    bench.store.settle = settle  # type: ignore[method-assign]
    return settled
