"""The intake of a worker: hears rings, asks for a claim, and acknowledges when the claim is committed.

Dramatiq's own worker gives each message a thread until its work is done. Here a message only means "claim",
so one thread a queue is enough, whatever number of tasks the worker runs: the message is acknowledged
milliseconds after it came, and no broker timeout ever meets a long task. When the worker is full the
consumer is closed, which gives back what it had prefetched: that is the back-pressure.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from dramatiq import Actor, Broker, Consumer, MessageProxy
from dramatiq.errors import ActorNotFound, BrokerConnectionError

from ops_core.errors import OpsError
from ops_core.queue.bell import RING_ACTOR

log = structlog.get_logger(__name__)

#: How often an idle consumer looks up to see whether it should stop. Milliseconds.
IDLE_MS: Final = 200

#: Rest before connecting again to a broker that is away, or ringing a store that is. Seconds.
RECONNECT_S: Final = 1.0


class Intake:
    """Consumes one queue on one thread.

    `claim` is called on that thread for every ring, and returns when what it claimed is committed.
    """

    def __init__(self, broker: Broker, queue: str, claim: Callable[[], None]) -> None:
        self._broker = broker
        self._queue = queue
        self._room = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"intake-{queue}", daemon=True)
        if RING_ACTOR not in broker.actors:
            # max_retries=0: the store owns retries.
            Actor(
                lambda **_: claim(),  # whatever a message carries: it is only a hint
                broker=broker,
                actor_name=RING_ACTOR,
                queue_name=queue,
                priority=0,
                options={"max_retries": 0},
            )
        broker.declare_queue(queue)

    def start(self) -> None:
        self._room.set()
        self._thread.start()

    def has_room(self, room: bool) -> None:
        """Opens or closes the intake; closed, it holds no message that another worker could hear."""
        if room:
            self._room.set()
        else:
            self._room.clear()

    def stop(self) -> None:
        """Stops hearing rings; returns when the thread has ended."""
        self._stopping.set()
        self._room.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._room.wait()
            try:
                self._consume()
            except (BrokerConnectionError, OSError) as error:
                log.warning("broker away, trying again", queue=self._queue, error=str(error)[:200])
                self._stopping.wait(RECONNECT_S)
            except OpsError as error:
                log.warning("could not claim, trying again", queue=self._queue, error=str(error))
                self._stopping.wait(RECONNECT_S)

    def _consume(self) -> None:
        consumer = self._broker.consume(self._queue, prefetch=1, timeout=IDLE_MS)
        try:
            for message in consumer:
                if message is not None:
                    self._hear(consumer, message)
                if self._stopping.is_set() or not self._room.is_set():
                    return
        finally:
            consumer.close()

    def _hear(self, consumer: Consumer, message: MessageProxy) -> None:
        try:
            actor = self._broker.get_actor(message.actor_name)
        except ActorNotFound:
            log.warning("dropped a message that is not a ring", actor=message.actor_name[:100])
        else:
            self._broker.emit_before("process_message", message)
            actor()
            self._broker.emit_after("process_message", message)
        consumer.ack(message)
