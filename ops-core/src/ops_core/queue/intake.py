"""The intake of a worker: hears rings, asks for a claim, and acknowledges when the claim is committed.

Dramatiq's own worker gives each message a thread until its work is done. Here a message only means "claim",
so one thread a queue is enough, whatever number of tasks the worker runs: the message is acknowledged
milliseconds after it came, and no broker timeout ever meets a long task. A worker that stays full closes
its consumer, which gives back what was prefetched: that is the back-pressure.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from dramatiq import Broker, Consumer, MessageProxy
from dramatiq.errors import BrokerConnectionError

from ops_core.errors import OpsError
from ops_core.queue.bell import RING_ACTOR

log = structlog.get_logger(__name__)

#: How often an idle consumer looks up to see whether it should stop. Milliseconds.
IDLE_MS: Final = 200

#: Rest before connecting again to a broker that is away, or claiming from a store that is. Seconds.
RECONNECT_S: Final = 1.0

#: A worker that is full for this long closes its consumer; connecting costs more than a short wait. Seconds.
FULL_S: Final = 1.0


class Intake:
    """Consumes one queue on one thread.

    `claim` is called on that thread for every ring, and returns when what it claimed is committed.
    """

    def __init__(self, broker: Broker, queue: str, claim: Callable[[], None]) -> None:
        self._broker = broker
        self._queue = queue
        self._claim = claim
        self._room = threading.Event()
        self._stopping = threading.Event()
        # A daemon: a broker that is frozen holds this thread in its socket, and must not hold the process.
        self._thread = threading.Thread(target=self._run, name=f"intake-{queue}", daemon=True)
        broker.declare_queue(queue)

    def start(self) -> None:
        self._room.set()
        self._thread.start()

    def has_room(self, room: bool) -> None:
        """Opens or closes the intake."""
        if room:
            self._room.set()
        else:
            self._room.clear()

    def stop(self) -> None:
        """Asks the thread to end; returns at once."""
        self._stopping.set()
        self._room.set()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is still running."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._room.wait()
            if self._stopping.is_set():
                return
            try:
                self._consume()
            except (BrokerConnectionError, OSError) as error:
                log.warning("broker away, trying again", queue=self._queue, error=str(error)[:200])
                self._stopping.wait(RECONNECT_S)
            except OpsError as error:
                log.warning("could not claim, trying again", queue=self._queue, error=str(error))
                self._stopping.wait(RECONNECT_S)
            # Without this thread the worker would live on, beat, and hear nothing.
            except Exception:
                log.exception("the intake failed, trying again", queue=self._queue)
                self._stopping.wait(RECONNECT_S)

    def _consume(self) -> None:
        consumer = self._broker.consume(self._queue, prefetch=1, timeout=IDLE_MS)
        try:
            for message in consumer:
                if message is not None:
                    self._hear(consumer, message)
                if self._stopping.is_set() or not self._room.wait(FULL_S):
                    return
        finally:
            consumer.close()

    def _hear(self, consumer: Consumer, message: MessageProxy) -> None:
        if message.actor_name == RING_ACTOR:
            self._claim()
        else:
            # Whoever may publish may have put anything there: what cannot be told must not be an error,
            # which would bring the same message back for ever.
            actor = str(message.actor_name)[:100]
            log.warning("dropped a message that is not a ring", actor=actor)
        consumer.ack(message)
