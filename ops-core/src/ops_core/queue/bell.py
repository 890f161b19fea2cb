"""Rings: how a queue's workers learn that it has work.

A ring is a Dramatiq message that carries no truth (its task id is only a hint): it may be lost, doubled,
late or forged, and nothing is lost, run twice or run wrongly.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError
from pika.exceptions import AMQPError

from ops_core.errors import BrokerUnavailable
from ops_core.ports import Bell

log = structlog.get_logger(__name__)

#: The name of the actor that rings are addressed to.
RING_ACTOR: Final = "ring"

#: A broker that does not confirm within this time is treated as away. Seconds.
CONFIRM_TIMEOUT_S: Final = 5.0


class DramatiqBell:
    """`Bell` over a Dramatiq broker.

    Publishing blocks its thread until the broker confirms (and for as long as a frozen broker is frozen), so
    it has one thread of its own, which no request ever waits for.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bell")

    async def ring(self, queue: str, hint: str | None = None) -> None:
        message: Message[None] = Message(
            queue_name=queue, actor_name=RING_ACTOR, args=(), kwargs={"hint": hint}, options={}
        )
        await self._on_thread(self._publish, message)

    async def check(self) -> None:
        await self._on_thread(self._connect)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _publish(self, message: "Message[None]") -> None:
        self._broker.declare_queue(message.queue_name)
        self._broker.enqueue(message)

    def _connect(self) -> None:
        # RabbitMQ's broker connects when its connection is read; the one in process has none.
        getattr(self._broker, "connection", None)

    async def _on_thread(self, call: object, *arguments: object) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await loop.run_in_executor(self._thread, call, *arguments)  # type: ignore[arg-type]
        except (BrokerConnectionError, AMQPError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"the broker did not confirm: {error!r}"[:300]) from error


class BackgroundBell:
    """Rings soon, in the background: what `submit` uses, because nothing may be published inside a request.

    Rings for one queue that gather while the broker is busy become one: a worker that is rung takes all it
    has room for. A ring that fails is dropped: the dispatcher rings for every row that nobody has claimed.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._due: dict[str, str] = {}
        self._work = asyncio.Event()

    def ring_soon(self, queue: str, hint: str) -> None:
        """Returns at once."""
        self._due[queue] = hint
        self._work.set()

    async def run(self) -> None:
        """Publishes until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            due, self._due = self._due, {}
            for queue, hint in due.items():
                try:
                    await self._bell.ring(queue, hint)
                except BrokerUnavailable as error:
                    log.warning(
                        "ring dropped: the dispatcher will ring", queue=queue, error=str(error)
                    )
