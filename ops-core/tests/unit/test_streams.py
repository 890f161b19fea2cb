"""Watches of tasks: what they give, when they end, and what they do to those who do not read."""

import asyncio
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from stream_support import QUICK, WITHIN_S, rest_of, seqs, started
from structlog.testing import capture_logs

from ops_core.errors import (
    ServerStopping,
    StoreUnavailable,
    StreamTooSlow,
    TaskNotFound,
    TooManyStreams,
)
from ops_core.log import Event
from ops_core.moves import Move, complete, fail, wait
from ops_core.ports import TaskKey, TaskType
from ops_core.service import TaskService
from ops_core.streams.hub import StreamSettings
from ops_core.streams.local import LocalSignals
from ops_core.streams.service import EventStreams
from ops_core.streams.signals import Delta
from ops_core.streams.told import Told
from ops_core.task import Reason, Task, TaskError, Wait
from ops_core.testing import MemoryStore
from ops_core.testing.news import TaskByTask

pytestmark = pytest.mark.unit

TYPES = {"noop": TaskType(name="noop", input_schema={"type": "object"})}
FAILED = fail(TaskError(type="x", message="m"))
WAITS = wait([Wait(reason=Reason.INPUT, step="1/input", detail={"question": "?"})], 0)


def service(store: MemoryStore) -> TaskService:
    return TaskService(store, TYPES, lambda _queue, _task_id: None)


def streams(store: MemoryStore, **settings: Any) -> EventStreams:
    tasks = service(store)
    quick = {"poll_s": QUICK.poll_s, "idle_s": QUICK.idle_s}
    return EventStreams(tasks, TaskByTask(tasks), settings=StreamSettings(**(quick | settings)))


async def test_a_watch_gives_what_was_and_what_comes_until_the_end() -> None:
    """From before the watch, over several pages, and after it."""
    script = await started(store := MemoryStore())
    await script.write(248)
    with await streams(store).watch(script.task_id, tenant_id="default") as watch:
        before = await seqs(watch, 250)
        await script.write(150)
        await script.settle()
        after = await rest_of(watch)
    assert list(range(1, 402)) == before + after


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
async def test_a_watch_goes_on_after_the_event_that_it_names(after: int) -> None:
    """n+1, n+2, …; after the last one it is over at once."""
    script = await started(store := MemoryStore())
    await script.write()
    await script.settle()
    async with asyncio.timeout(WITHIN_S):
        watch = await streams(store).watch(script.task_id, tenant_id="default", after=after)
        with watch:
            assert list(range(after + 1, 5)) == await rest_of(watch)


async def test_a_watch_of_what_is_over_reads_nothing() -> None:
    """It is over before it began."""
    script = await started(store := MemoryStore())
    await script.settle()
    news = CountingNews(tasks := service(store))
    followed = EventStreams(tasks, news)
    with await followed.watch(script.task_id, tenant_id="default", after=3) as watch:
        assert watch.over
        assert () == await watch.next(WITHIN_S)
    assert [] == news.asked


async def test_an_end_that_was_retried_is_not_the_end() -> None:
    """Only the last generation's ends the stream, whether it was read or told."""
    script = await started(store := MemoryStore())
    await script.settle(FAILED)
    await store.retry("default", script.task_id)
    with await streams(store).watch(script.task_id, tenant_id="default") as watch:
        found = await seqs(watch, 4)
        await script.claim()
        await script.settle()
        found += await rest_of(watch)
    assert [1, 2, 3, 4, 5, 6] == found


class Taking(TaskByTask):
    """Takes a moment, as a database does: others go on meanwhile."""

    async def news(self, tenant_id: str, after: Any, **bounds: Any) -> list[Event]:
        for _ in range(10):
            await asyncio.sleep(0)
        return await super().news(tenant_id, after, **bounds)


@pytest.mark.parametrize("after", [0, 2])
async def test_a_retried_end_at_the_border_of_a_page_is_not_the_end(after: int) -> None:
    """Neither for who reads pages nor for who is told: what follows is in the next one."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, Taking(tasks), signals, settings=rare)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as first:
        await first.next(0.01)  # looked at, and found to have nothing
        await script.write(97 + after)
        await script.settle(FAILED)  # the hundredth that this watch has not seen
        await store.retry("default", script.task_id)
        await script.claim()
        await script.settle()
        watch = first if after else await followed.watch(script.task_id, tenant_id="default")
        signals.changed(first.topic.key)
        with watch:
            assert list(range(after + 1, 104 + after)) == await rest_of(watch)


async def test_a_watch_that_read_ahead_of_the_reader_is_told_nothing_twice() -> None:
    """It joins those who are told with a larger number than theirs."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=rare)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as first:
        await first.next(0.01)
        first.topic.due_at = 0.0  # the reader is asked for nothing until a signal comes
        await script.write(3)
        with await followed.watch(script.task_id, tenant_id="default") as ahead:
            found = await seqs(ahead, 5)
            first.topic.due_at = math.inf
            await script.write()
            signals.changed(first.topic.key)
            found += await seqs(ahead, 1)
    assert [1, 2, 3, 4, 5, 6] == found


@pytest.mark.parametrize("length", [98, 99, 100, 198])
async def test_an_end_at_the_border_of_a_page_is_seen(length: int) -> None:
    """A page that is full says nothing of what follows."""
    script = await started(store := MemoryStore())
    await script.write(length - 3)
    await script.settle()
    with await streams(store).watch(script.task_id, tenant_id="default") as watch:
        assert length == len(await rest_of(watch))


async def test_the_end_comes_with_the_last_event() -> None:
    """Not with the next look, which may be long after."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=rare)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await watch.next(0.01)
        await script.settle()
        signals.changed(watch.topic.key)
        assert [3] == await seqs(watch, 1)
        assert watch.over


async def test_a_hundred_events_at_once_and_the_end_are_told() -> None:
    """As many as one look takes, the last of them the end."""
    script = await started(store := MemoryStore())
    with await streams(store).watch(script.task_id, tenant_id="default", after=2) as watch:
        await watch.next(0.05)
        await script.write(99)
        await script.settle()
        assert list(range(3, 103)) == await rest_of(watch)


async def test_who_may_not_see_a_task_may_not_watch_it() -> None:
    """Another tenant's task is not there."""
    script = await started(store := MemoryStore())
    with pytest.raises(TaskNotFound):
        await streams(store).watch(script.task_id, tenant_id="other")


class CountingNews(TaskByTask):
    """Counts how often it is asked, and for how many tasks."""

    def __init__(self, tasks: TaskService) -> None:
        super().__init__(tasks)
        self.asked: list[int] = []

    async def news(self, tenant_id: str, after: Any, **bounds: Any) -> list[Event]:
        self.asked.append(len(after))
        return await super().news(tenant_id, after, **bounds)


async def test_all_who_watch_share_one_reader() -> None:
    """A hundred watches of two tasks: one question for both, and each event is one object for all."""
    one, two = await started(store := MemoryStore()), await started(store)
    news = CountingNews(tasks := service(store))
    shared = EventStreams(tasks, news, settings=StreamSettings(poll_s=0.2, idle_s=0.2))
    watches = [
        await shared.watch(script.task_id, tenant_id="default", after=2)
        for script in (one, two)
        for _ in range(50)
    ]
    await watches[0].next(0.01)
    asked = len(news.asked)
    await one.write()
    found = [await watch.next(WITHIN_S) for watch in watches[:50]]
    assert 1 == len({id(told) for [told] in found})
    assert [2] == list({*news.asked[asked:]})
    assert len(news.asked) - asked <= 2
    for watch in watches:
        watch.close()


def test_an_event_is_written_once_for_all_who_watch() -> None:
    """For each door."""
    event = Event(type="x", task_id="t", seq=1, at=datetime(2026, 1, 1, tzinfo=UTC))
    told, written = Told(event), list[Event]()

    def write(event: Event) -> int:
        written.append(event)
        return len(written)

    assert [1, 1] == [told.written(write) for _ in range(2)]


async def test_nothing_is_read_when_nobody_watches() -> None:
    """The reader ends with the last watch."""
    script = await started(store := MemoryStore())
    followed = streams(store)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await watch.next(0.02)
    reading = followed._hub._reading
    assert reading is not None
    async with asyncio.timeout(WITHIN_S):
        await reading


class AwayAtTimes(MemoryStore):
    """A store whose database goes away and comes back."""

    away = False

    async def events(self, *arguments: Any, **bounds: Any) -> list[Event]:
        if self.away:
            raise StoreUnavailable("away")
        return await super().events(*arguments, **bounds)


@pytest.mark.parametrize("after", [0, 2])
async def test_a_store_that_goes_away_costs_no_event(after: int) -> None:
    """Whether the watch is behind or at the edge, it goes on where it was."""
    script = await started(store := AwayAtTimes())
    with (
        capture_logs() as logs,
        await streams(store).watch(script.task_id, tenant_id="default", after=after) as watch,
    ):
        store.away = True
        assert [] == [*await watch.next(0.05)]
        await script.write(2)
        store.away = False
        assert list(range(after + 1, 5)) == await seqs(watch, 4 - after)
        await script.write()
        await seqs(watch, 1)  # the reader is back as well
    said = ["the store is away, streams wait", "the store is back, streams go on"]
    assert said == [line["event"] for line in logs]


class Buggy(TaskByTask):
    """Fails once with what nobody foresaw."""

    failed = asyncio.Event()

    async def news(self, tenant_id: str, after: Any, **bounds: Any) -> list[Event]:
        if not self.failed.is_set():
            self.failed.set()
            raise ZeroDivisionError
        return await super().news(tenant_id, after, **bounds)


async def test_a_fault_of_the_reader_stops_no_stream() -> None:
    """It looks again."""
    script = await started(store := MemoryStore())
    tasks = service(store)
    followed = EventStreams(tasks, Buggy(tasks), settings=QUICK)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await script.write()
        assert [3] == await seqs(watch, 1)


async def test_a_client_that_does_not_read_is_dropped_and_may_come_again() -> None:
    """What waits for it is bounded; the others are not in its way, and it goes on where it was."""
    script = await started(store := MemoryStore())
    followed = streams(store, buffer=50)
    slow = await followed.watch(script.task_id, tenant_id="default", after=2)
    quick = await followed.watch(script.task_id, tenant_id="default", after=2)
    found: list[int] = []
    for _ in range(4):
        await script.write(20)
        found += await seqs(quick, 20)
    with pytest.raises(StreamTooSlow):
        await slow.next(1.0)
    assert list(range(3, 83)) == found
    with slow, quick, await followed.watch(script.task_id, tenant_id="default", after=2) as again:
        assert found == await seqs(again, 80)


async def test_a_process_serves_only_so_many_streams() -> None:
    """One more is refused until one of them has gone."""
    script = await started(store := MemoryStore())
    followed = streams(store, max_streams=2)
    open_ = [await followed.watch(script.task_id, tenant_id="default") for _ in range(2)]
    with pytest.raises(TooManyStreams):
        await followed.watch(script.task_id, tenant_id="default")
    open_[0].close()
    open_[0].close()
    open_[0] = await followed.watch(script.task_id, tenant_id="default")
    with pytest.raises(TooManyStreams):
        await followed.watch(script.task_id, tenant_id="default")
    for watch in open_:
        watch.close()


@pytest.mark.parametrize("after", [0, 2])
async def test_a_process_that_stops_ends_its_streams_at_once(after: int) -> None:
    """And opens none any more."""
    script = await started(store := MemoryStore())
    followed = streams(store)
    with await followed.watch(script.task_id, tenant_id="default", after=after) as watch:
        waiting = asyncio.create_task(seqs(watch, 100))
        await asyncio.sleep(0)
        followed.close()
        with pytest.raises(ServerStopping):
            await waiting
    with pytest.raises(ServerStopping):
        await followed.watch(script.task_id, tenant_id="default")


async def test_a_hint_is_quicker_than_the_next_look() -> None:
    """With looks an hour apart, a signal brings the event."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=rare)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await watch.next(0.05)
        await script.write()
        signals.changed(watch.topic.key)
        assert [3] == await seqs(watch, 1)


async def test_a_hint_that_comes_during_a_look_is_not_lost() -> None:
    """What was committed after the look began is looked for again."""
    script = await started(store := MemoryStore())
    tasks = service(store)

    class Slow(TaskByTask):
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def news(self, tenant_id: str, after: Any, **bounds: Any) -> list[Event]:
            found = await super().news(tenant_id, after, **bounds)
            self.asked.set()
            await self.go_on.wait()
            return found

    signals, rare = LocalSignals(), StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, Slow(tasks), signals, settings=rare)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await Slow.asked.wait()
        await script.write()
        signals.changed(watch.topic.key)
        Slow.go_on.set()
        assert [3] == await seqs(watch, 1)


async def test_deltas_go_to_those_who_asked_for_them() -> None:
    """And wait in the half of the buffer that events can do without."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    settings = StreamSettings(buffer=10)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=settings)
    plain = await followed.watch(script.task_id, tenant_id="default", after=2)
    with (
        plain,
        await followed.watch(script.task_id, tenant_id="default", after=2, deltas=True) as watch,
    ):
        await plain.next(0.01)
        for n in range(100):
            signals.delta(watch.topic.key, Delta({"n": n}))
        assert [Delta({"n": n}) for n in range(5)] == [*await watch.next(1.0)]
        assert () == await plain.next(0.01)


@pytest.mark.parametrize(
    ("move", "status"), [(complete({}), "completed"), (FAILED, "failed"), (WAITS, "waiting")]
)
async def test_a_request_is_held_until_its_task_has_settled(move: Move, status: str) -> None:
    """Ended, or in need of something: the task as it stands then."""
    script = await started(store := MemoryStore())
    followed = streams(store)
    task = await store.get("default", script.task_id)
    holding = asyncio.create_task(followed.settled(task, within_s=WITHIN_S))
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await script.write()
        await seqs(watch, 1)
    assert not holding.done()
    await script.settle(move)
    async with asyncio.timeout(WITHIN_S):
        assert status == (await holding).status


async def turns() -> None:
    """Lets all others go on until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_held_request_is_answered_by_a_hint_and_reads_no_events() -> None:
    """What is not an end is not looked at for it; the end is found in the task itself."""
    script = await started(store := MemoryStore())
    signals, news = LocalSignals(), CountingNews(tasks := service(store))
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, news, signals, settings=rare)
    task = await store.get("default", script.task_id)
    key = TaskKey("default", script.task_id)
    holding = asyncio.create_task(followed.settled(task, within_s=WITHIN_S))
    await turns()
    await script.write()
    signals.changed(key)
    signals.changed(key, settled=True)  # it was woken again at once
    await turns()
    assert not holding.done()
    await script.settle()
    signals.changed(key, settled=True)
    async with asyncio.timeout(WITHIN_S):
        assert "completed" == (await holding).status
    assert [] == news.asked


async def test_who_follows_a_task_beside_a_held_request_hears_each_event() -> None:
    """What one of them wants more than the other is told, too."""
    script = await started(store := MemoryStore())
    signals, tasks = LocalSignals(), service(store)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=rare)
    task = await store.get("default", script.task_id)
    holding = asyncio.create_task(followed.settled(task, within_s=WITHIN_S))
    await turns()
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        await watch.next(0.01)
        await script.write()
        signals.changed(watch.topic.key)
        assert [3] == await seqs(watch, 1)
        await script.settle()
        signals.changed(watch.topic.key, settled=True)
        assert [4] == await rest_of(watch)
    assert "completed" == (await holding).status


async def test_a_held_request_is_not_woken_by_each_event_that_somebody_else_follows() -> None:
    """What it would read again each time is the task."""
    script = await started(store := MemoryStore())
    signals, asked = LocalSignals(), list[str]()

    class Counting(TaskService):
        async def get(self, task_id: str, *, tenant_id: str) -> Task:
            asked.append(task_id)
            return await super().get(task_id, tenant_id=tenant_id)

    tasks = Counting(store, TYPES, lambda _queue, _task_id: None)
    rare = StreamSettings(poll_s=3600, idle_s=3600)
    followed = EventStreams(tasks, TaskByTask(tasks), signals, settings=rare)
    task = await store.get("default", script.task_id)
    with await followed.watch(script.task_id, tenant_id="default", after=2) as watch:
        holding = asyncio.create_task(followed.settled(task, within_s=WITHIN_S))
        await turns()
        asked.clear()
        for seq in (3, 4, 5):
            await script.write()
            signals.changed(watch.topic.key)
            assert [seq] == await seqs(watch, 1)
        assert [] == asked
        await script.settle()
        signals.changed(watch.topic.key, settled=True)
        async with asyncio.timeout(WITHIN_S):
            assert ("completed", 1) == ((await holding).status, len(asked))


async def test_a_held_request_whose_task_is_retried_at_once_is_answered() -> None:
    """Its generation is over: it is not asked for again and again until the time is."""
    script = await started(store := MemoryStore())
    tasks = service(store)

    class Retrying(TaskByTask):
        """A client retries between the look that finds the end and what follows it."""

        async def news(self, tenant_id: str, after: Any, **bounds: Any) -> list[Event]:
            found = await super().news(tenant_id, after, **bounds)
            if found:
                await store.retry("default", script.task_id)
            return found

    followed = EventStreams(tasks, Retrying(tasks), settings=QUICK)
    task = await store.get("default", script.task_id)
    await script.settle(FAILED)
    began_s = asyncio.get_running_loop().time()
    found = await followed.settled(task, within_s=1.0)
    took_s = asyncio.get_running_loop().time() - began_s
    assert ("pending", True) == (found.status, took_s < 0.8)


async def test_a_request_is_held_no_longer_than_it_asked() -> None:
    """Then it is answered with the task as it was; no longer than the process allows, either."""
    script = await started(store := MemoryStore())
    task = await store.get("default", script.task_id)
    async with asyncio.timeout(WITHIN_S):
        assert "running" == (await streams(store).settled(task, within_s=0.02)).status
        capped = streams(store, max_wait_s=0.02)
        assert "running" == (await capped.settled(task, within_s=3600)).status
