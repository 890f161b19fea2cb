"""Rings: how a queue's workers learn that it has work.

A ring is a Dramatiq message that carries no truth (its task id is only a hint): it may be lost, doubled,
late or forged, and nothing is lost, run twice or run wrongly.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Final

import structlog
from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError

from ops_core.errors import BrokerUnavailable
from ops_core.ports import Bell

log = structlog.get_logger(__name__)

#: The name of the actor that rings are addressed to.
RING_ACTOR: Final = "ring"

#: A broker that does not confirm within this time is treated as away. Seconds.
CONFIRM_TIMEOUT_S: Final = 5.0

#: How long the publisher rests after it rang: what is submitted meanwhile shares the next ring, and a worker
#: that is rung takes all it has room for. A publish costs as much of the processor as a submit. Seconds.
REST_S: Final = 0.005

_DROPPED: Final = "ring dropped: the dispatcher will ring"

_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]", Callable[[], None]]


class DramatiqBell:
    """`Bell` over a Dramatiq broker.

    Publishing blocks its thread until the broker confirms (and for as long as a frozen broker is frozen), so
    it has one thread of its own, which no request ever waits for.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = _Thread()

    async def ring(self, queue: str, hint: str | None = None) -> None:
        message: Message[None] = Message(
            queue_name=queue, actor_name=RING_ACTOR, args=(), kwargs={"hint": hint}, options={}
        )
        await self._on_thread(lambda: self._publish(message))

    async def check(self) -> None:
        await self._on_thread(self._connect)

    def close(self) -> None:
        """Publishes nothing more; returns at once."""
        self._thread.end()

    def _publish(self, message: "Message[None]") -> None:
        self._broker.declare_queue(message.queue_name)
        self._broker.enqueue(message)

    def _connect(self) -> None:
        # RabbitMQ's broker connects when its connection is read; the one in process has none.
        getattr(self._broker, "connection", None)

    async def _on_thread(self, call: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await self._thread.call(call)
        except _faults() as error:
            raise BrokerUnavailable(f"the broker did not confirm: {error!r}"[:300]) from error


def _faults() -> tuple[type[Exception], ...]:
    """What says that the broker is away. Only then pika is imported: without RabbitMQ it has no use."""
    from pika.exceptions import AMQPError

    return (BrokerConnectionError, AMQPError, OSError, TimeoutError)


class _Thread:
    """A daemon thread that makes calls one after another.

    Not a pool of `concurrent.futures`: Python waits for its threads when the process ends, and one that
    waits for a frozen broker would hold the process for as long.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        Thread(target=self._run, name="bell", daemon=True).start()

    async def call(self, function: Callable[[], None]) -> None:
        """Returns, or raises what `function` raises, when it is done."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._calls.put((loop, done, function))
        await done

    def end(self) -> None:
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            loop, done, function = call
            if done.cancelled():
                continue  # nobody waits for it any more
            error: Exception | None = None
            try:
                function()
            except Exception as raised:  # noqa: BLE001  # it is raised again where the call was made
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it either
                loop.call_soon_threadsafe(_settle, done, error)


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


class BackgroundBell:
    """Rings soon, in the background: what `submit` uses, because nothing may be published inside a request.

    A lone ring goes at once. Those for one queue that gather while the broker is busy, or while this rests
    after a ring, become one. A ring that fails is dropped: the dispatcher rings for every row that nobody has
    claimed.
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
                    log.warning(_DROPPED, queue=queue, error=str(error))
                # Without this task nothing would be rung by this process any more.
                except Exception:
                    log.exception(_DROPPED, queue=queue)
            await asyncio.sleep(REST_S)
