"""The writer of a worker: group commit, and what an agent is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ops_core.errors import LostOwnership, OpsError, StoreUnavailable
from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, Appended, Lease
from ops_core.task import NewTask, Usage, new_task_id
from ops_core.testing import MemoryStore
from ops_core.writer import StepWriter

pytestmark = pytest.mark.unit

STEP = NewEvent(type=EventType.LLM_COMPLETED, data={})


class GatedStore(MemoryStore):
    """Commits a batch when the test opens the gate, and remembers the size of each."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.batches: list[int] = []
        self.answers: list[list[Appended] | Exception] = []

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        self.batches.append(len(batch))
        self.asked.set()
        await self.gate.wait()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return await super().append(batch)

    async def leases(self, count: int) -> list[Lease]:
        await self.beat("w", ["default"], slots=count, running=0)
        for _ in range(count):
            await self.submit(
                NewTask(task_id=new_task_id(), tenant_id="default", task_type="x", input_data={})
            )
        tasks = await self.claim("w", ["default"], count)
        return [Lease(task.tenant_id, task.task_id, "w", task.epoch) for task in tasks]


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
async def writer(store: GatedStore) -> AsyncIterator[StepWriter]:
    writer = StepWriter(store)
    running = asyncio.create_task(writer.run())
    yield writer
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_appends_that_gather_during_a_commit_share_the_next(
    store: GatedStore, writer: StepWriter
) -> None:
    """While one commit is under way, the others wait and go out together."""
    leases = await store.leases(10)
    store.gate.clear()
    first = asyncio.create_task(writer.append(leases[0], [STEP], Usage()))
    await store.asked.wait()
    others = [asyncio.create_task(writer.append(lease, [STEP], Usage())) for lease in leases[1:]]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(first, *others)
    assert [1, 9] == store.batches


async def test_two_appends_of_one_task_keep_their_order(
    store: GatedStore, writer: StepWriter
) -> None:
    """The log of a task has its events in the order in which they were appended."""
    [lease] = await store.leases(1)
    events = [NewEvent(type=EventType.LLM_COMPLETED, data={"n": n}) for n in range(5)]
    await asyncio.gather(*(writer.append(lease, [event], Usage()) for event in events))
    log = await store.history(lease)
    assert [0, 1, 2, 3, 4] == [event.data["n"] for event in log if "n" in event.data]


async def test_an_append_returns_only_when_it_is_committed(
    store: GatedStore, writer: StepWriter
) -> None:
    """An agent goes on only when its step is on disk."""
    [lease] = await store.leases(1)
    store.gate.clear()
    append = asyncio.create_task(writer.append(lease, [STEP], Usage()))
    await store.asked.wait()
    assert not append.done()
    store.gate.set()
    await append


async def test_a_lost_lease_is_told_to_its_task_alone(
    store: GatedStore, writer: StepWriter
) -> None:
    """One zombie in a batch stops; the others are stored."""
    good, bad = await store.leases(2)
    stale = Lease(bad.tenant_id, bad.task_id, bad.owner, bad.epoch + 1)
    outcomes = await asyncio.gather(
        writer.append(good, [STEP], Usage()),
        writer.append(stale, [STEP], Usage()),
        return_exceptions=True,
    )
    assert [type(None), LostOwnership] == [type(outcome) for outcome in outcomes]


async def test_a_busy_row_is_asked_for_again(store: GatedStore, writer: StepWriter) -> None:
    """A row that somebody else held this moment is stored with a later batch."""
    [lease] = await store.leases(1)
    store.answers = [[Appended.BUSY], [Appended.BUSY]]
    await writer.append(lease, [STEP], Usage())
    assert [1, 1, 1] == store.batches
    assert 3 == len(await store.history(lease))


@pytest.mark.parametrize("was_stored", [True, False])
async def test_an_append_whose_reply_was_lost_is_stored_once(
    store: GatedStore, writer: StepWriter, was_stored: bool
) -> None:
    """A store that is away is waited for, and asked again in a way that writes nothing twice."""
    [lease] = await store.leases(1)
    plain, failures = store.append, 2

    async def append(batch: Sequence[Append]) -> list[Appended]:
        nonlocal failures
        failures -= 1
        if failures >= 0 and not was_stored:
            raise StoreUnavailable("away")
        outcomes = await plain(batch)
        if failures >= 0:
            raise StoreUnavailable("the reply was lost")
        return outcomes

    store.append = append  # type: ignore[method-assign]
    await writer.append(lease, [STEP], Usage(steps=1))
    assert 3 == len(await store.history(lease))
    assert 1 == (await store.get("default", lease.task_id)).usage.steps


async def test_one_bad_value_fails_one_task(store: GatedStore, writer: StepWriter) -> None:
    """A batch that the store refuses is halved until the one bad append stands alone."""
    leases = await store.leases(4)
    poison = leases[2].task_id
    plain = store.append

    async def refuse(batch: Sequence[Append]) -> list[Appended]:
        if any(append.lease.task_id == poison for append in batch):
            raise ValueError("a value that no column takes")
        return await plain(batch)

    store.append = refuse  # type: ignore[method-assign]
    outcomes = await asyncio.gather(
        *(writer.append(lease, [STEP], Usage()) for lease in leases), return_exceptions=True
    )
    assert [type(None), type(None), OpsError, type(None)] == [type(outcome) for outcome in outcomes]


async def test_an_append_that_nobody_waits_for_is_dropped(
    store: GatedStore, writer: StepWriter
) -> None:
    """A cancelled agent's append that has not gone out does not go out any more."""
    first, second = await store.leases(2)
    store.gate.clear()
    one = asyncio.create_task(writer.append(first, [STEP], Usage()))
    await store.asked.wait()
    two = asyncio.create_task(writer.append(second, [STEP], Usage()))
    await asyncio.sleep(0)
    two.cancel()
    store.gate.set()
    await one
    assert 2 == len(await store.history(second))
