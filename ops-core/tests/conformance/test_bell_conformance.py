"""What every bell promises: a ring that returns was heard by the broker; a dead broker is said to be dead."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from dramatiq import Broker

from ops_core.errors import BrokerUnavailable
from ops_core.ports import Bell
from ops_core.queue.bell import RING_ACTOR, DramatiqBell
from ops_core.queue.broker import in_process_broker, rabbitmq_broker
from ops_core.testing import RecordingBell

pytestmark = pytest.mark.conformance

#: A port of this machine where nobody listens: what a broker that is away looks like.
NOBODY = "amqp://guest:guest@127.0.0.1:1/%2F?connection_attempts=1&socket_timeout=1"


@dataclass
class Line:
    """A bell, the other end of it, and a queue of its own."""

    bell: Bell
    broker: Broker | None
    queue: str

    async def heard(self) -> int:
        """How many rings a consumer finds on the queue."""
        if isinstance(self.bell, RecordingBell):
            return self.bell.rung.count(self.queue)
        return await asyncio.to_thread(self._consume)

    def _consume(self) -> int:
        assert self.broker is not None
        consumer, heard = self.broker.consume(self.queue, prefetch=1, timeout=500), 0
        for message in consumer:
            if message is None:
                break
            assert message.actor_name == RING_ACTOR
            consumer.ack(message)
            heard += 1
        consumer.close()
        return heard


@pytest.fixture(params=["recording", "in_process", "rabbitmq"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    queue = f"q-{uuid4().hex[:8]}"
    if request.param == "recording":
        yield Line(RecordingBell(), None, queue)
        return
    broker = (
        in_process_broker()
        if request.param == "in_process"
        else rabbitmq_broker(request.getfixturevalue("rabbitmq_url"))
    )
    bell = DramatiqBell(broker)
    yield Line(bell, broker, queue)
    bell.close()
    broker.close()


async def test_each_ring_is_heard_once(line: Line) -> None:
    """Rings reach the queue they were rung for, durable and confirmed."""
    for _ in range(3):
        await line.bell.ring(line.queue, "task_hint")
    assert 3 == await line.heard()


async def test_rings_of_one_queue_are_not_heard_on_another(line: Line) -> None:
    """A queue hears only its own rings."""
    await line.bell.ring(f"{line.queue}-other")
    await line.bell.ring(line.queue)
    assert 1 == await line.heard()


async def test_a_bell_that_works_says_so(line: Line) -> None:
    """`check` returns while the broker answers."""
    await line.bell.check()


@pytest.fixture(params=["recording", "rabbitmq"])
async def dead(request: pytest.FixtureRequest) -> AsyncIterator[Bell]:
    """A bell whose broker is away. The one in process cannot be away from its own process."""
    if request.param == "recording":
        recording = RecordingBell()
        recording.broken = True
        yield recording
        return
    bell = DramatiqBell(rabbitmq_broker(NOBODY))
    yield bell
    bell.close()


async def test_a_dead_broker_is_an_error_of_ours(dead: Bell) -> None:
    """Ringing and checking a dead broker raise `BrokerUnavailable`, within seconds, nothing else."""
    async with asyncio.timeout(10):
        with pytest.raises(BrokerUnavailable):
            await dead.ring("default")
        with pytest.raises(BrokerUnavailable):
            await dead.check()
