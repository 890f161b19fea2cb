"""What every way of signalling promises: what is watched is told of, and nothing else; nobody waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pika
import pytest

from ops_core.ports import TaskKey
from ops_core.queue.signals import EXCHANGE, RabbitSignals
from ops_core.streams.local import LocalSignals
from ops_core.streams.signals import Delta, Interest, Signals

pytestmark = pytest.mark.conformance

WITHIN_S = 20.0

#: A port of this machine where nobody listens.
NOBODY = "amqp://guest:guest@127.0.0.1:1/%2F?connection_attempts=1&socket_timeout=1"


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.keys: list[TaskKey] = []
        self.deltas: list[tuple[TaskKey, Delta]] = []

    def changed(self, key: TaskKey) -> None:
        self.keys.append(key)

    def delta(self, key: TaskKey, delta: Delta) -> None:
        self.deltas.append((key, delta))


class Ends:
    """A door and a worker, which may be one process."""

    def __init__(self, door: Signals, worker: Signals) -> None:
        self.door = door
        self.worker = worker
        self.ear = Ear()
        door.listen(self.ear)

    async def watch(self, key: TaskKey) -> None:
        """Returns when the worker knows."""
        self.door.watch([Interest(key, deltas=True)])
        await until(lambda: self.worker.wants_deltas(key))


def task() -> TaskKey:
    return TaskKey("default", f"task_{uuid4().hex}")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def over_rabbitmq(url: str) -> AsyncIterator[RabbitSignals]:
    signals = RabbitSignals(url)
    signals.start()
    try:
        yield signals
    finally:
        signals.close()
        await asyncio.to_thread(signals._thread.join, WITHIN_S)


@pytest.fixture(params=["in_process", "rabbitmq"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    if request.param == "in_process":
        signals = LocalSignals()
        yield Ends(signals, signals)
        return
    url = request.getfixturevalue("rabbitmq_url")
    async with over_rabbitmq(url) as door, over_rabbitmq(url) as worker:
        await until(lambda: door._connection is not None and worker._connection is not None)
        yield Ends(door, worker)


async def test_a_door_hears_of_the_tasks_that_it_watches(ends: Ends) -> None:
    """And of no other."""
    watched, other = task(), task()
    await ends.watch(watched)
    ends.worker.changed(other)
    ends.worker.changed(watched)
    await until(lambda: watched in ends.ear.keys)
    assert other not in ends.ear.keys


async def test_who_waits_for_the_end_hears_of_nothing_before_it(ends: Ends) -> None:
    """Until somebody wants to hear of every event of the task."""
    key, last = task(), task()
    ends.door.watch([Interest(key, deltas=False, events=False)])
    await ends.watch(last)  # said after the other, and so known after it
    for settled in (False, True):
        ends.worker.changed(key, settled=settled)
        ends.worker.changed(last)
        await until(lambda: last in ends.ear.keys)
        assert settled == (key in ends.ear.keys)
        ends.ear.keys.clear()
    ends.door.watch([Interest(key, deltas=False)])
    await ends.watch(again := task())
    assert ends.worker.wants_deltas(again)
    ends.worker.changed(key)
    await until(lambda: key in ends.ear.keys)


async def test_a_door_hears_the_deltas_that_it_wants_in_order(ends: Ends) -> None:
    """Nobody else's; a task that is only watched has none."""
    wanted, watched = task(), task()
    ends.door.watch([Interest(watched, deltas=False)])
    await ends.watch(wanted)
    assert not ends.worker.wants_deltas(watched)
    ends.worker.delta(watched, Delta({"text": "no"}))
    for n in range(20):
        ends.worker.delta(wanted, Delta({"text": str(n), "tabs": "\t\n…\ud800"}))
    await until(lambda: len(ends.ear.deltas) == 20)
    assert [str(n) for n in range(20)] == [delta.data["text"] for _, delta in ends.ear.deltas]
    assert {wanted} == {key for key, _ in ends.ear.deltas}


async def test_a_worker_hears_of_several_thousand_tasks(ends: Ends) -> None:
    """As a door says them all again, every few seconds."""
    keys = [task() for _ in range(3000)]
    ends.door.watch([Interest(key, deltas=True) for key in keys])
    await until(lambda: all(ends.worker.wants_deltas(key) for key in keys))


async def test_who_does_not_listen_any_more_hears_nothing(ends: Ends) -> None:
    """Closing twice is harmless."""
    watched, ear = task(), Ear()
    stop = ends.door.listen(ear)
    await ends.watch(watched)
    stop()
    stop()
    ends.worker.changed(watched)
    await until(lambda: watched in ends.ear.keys)
    assert [] == ear.keys


# A broker that is not well.


async def test_what_is_said_to_a_broker_that_is_away_takes_no_time() -> None:
    """It is bounded and dropped."""
    async with over_rabbitmq(NOBODY) as signals:
        key = task()
        signals.watch([Interest(key, deltas=True)])
        started = time.monotonic()
        for _ in range(20_000):
            signals.changed(key)
            signals.delta(key, Delta({"text": "x"}))
        assert time.monotonic() - started < WITHIN_S / 10
        assert 10_000 == len(signals._outbox)


class Woken(RabbitSignals):
    """Remembers what it was woken for."""

    woken: list[str]

    def _hear(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.woken.append(method.routing_key)
        super()._hear(channel, method, properties, body)


async def test_a_process_where_nobody_listens_is_woken_by_no_hint(rabbitmq_url: str) -> None:
    """As a worker and the dispatcher: only by what doors watch."""
    async with over_rabbitmq(rabbitmq_url) as door:
        worker, ear, key = Woken(rabbitmq_url), Ear(), task()
        worker.woken = []
        worker.start()
        door.listen(ear)
        await until(lambda: door._is_bound and worker._connection is not None)
        for watched in (key, task()):
            door.watch([Interest(watched, deltas=True)])
            await until(partial(worker.wants_deltas, watched))
            worker.changed(key)
            await until(lambda: key in ear.keys)
        worker.close()
        await asyncio.to_thread(worker._thread.join, WITHIN_S)
        assert ["interest", "interest"] == worker.woken


async def test_signals_of_others_and_of_nobody_are_dropped(rabbitmq_url: str) -> None:
    """Whatever stands in them; those that follow are heard."""
    async with over_rabbitmq(rabbitmq_url) as signals:
        ear, key = Ear(), task()
        signals.listen(ear)
        await until(lambda: signals._connection is not None)
        signals.watch([Interest(key, deltas=True)])
        await asyncio.to_thread(_forge, rabbitmq_url)
        signals.changed(key)
        await until(lambda: key in ear.keys)
        assert [] == ear.deltas


def _forge(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for routing_key in ("interest", "news", "delta", "news.of.others"):
            for body in (b"", b"{", b"[]", b'{"tasks": 1}', b'{"tasks": [[1]]}', b'{"task": null}'):
                channel.basic_publish(EXCHANGE, routing_key, body)
