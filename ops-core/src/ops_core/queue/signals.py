"""Signals between processes: a transient topic exchange, and a short queue of its own for each process.

Everything here may be lost. Publishing and hearing happen on one thread of their own, because a frozen broker
holds whoever talks to it; what waits to be published is bounded, and so is what waits to be heard, in the
broker (the oldest goes first) and here.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import pika
import structlog
from pika.exceptions import AMQPError

from ops_core.ports import TaskKey
from ops_core.streams.signals import Delta, Interest, Listener
from ops_core.streams.watched import Watched

log = structlog.get_logger(__name__)

EXCHANGE: Final = "opspawn.signals"

#: The routing keys: what doors watch, which logs have grown, pieces of text.
INTEREST: Final = "interest"
NEWS: Final = "news"
DELTA: Final = "delta"

#: What a door says of a task of which it wants to hear no more; of others, whether it wants deltas. A process
#: that does not know the word takes it for no.
SETTLED: Final = "settled"

#: What the queue of one process may hold; then the oldest is dropped.
QUEUE_LIMITS: Final = {
    "x-max-length": 10_000,
    "x-max-length-bytes": 16_777_216,
    "x-overflow": "drop-head",
    "x-expires": 60_000,  # milliseconds: should its process vanish without a word
}

#: What may wait here, to be published or to be heard.
MAX_WAITING: Final = 10_000

#: Tasks named in one message.
MAX_NAMED: Final = 500

#: What waited longer was held by a broker that was away, and interests nobody now. Seconds.
STALE_S: Final = 2.0

#: Rest before connecting again to a broker that is away. Seconds.
RECONNECT_S: Final = 1.0

#: How often the thread looks up without a reason. Seconds.
IDLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Message:
    routing_key: str
    body: dict[str, Any]
    made_at: float


class RabbitSignals:
    """`Signals` over RabbitMQ. `start` it on the loop that its listeners live on, and `close` it."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._watched = Watched()
        self._listeners: list[Listener] = []
        # Deques: one thread fills them, the other empties them.
        self._hints: deque[TaskKey] = deque(maxlen=MAX_WAITING)
        self._outbox: deque[_Message] = deque(maxlen=MAX_WAITING)
        self._inbox: deque[tuple[str, bytes]] = deque(maxlen=MAX_WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Any = None
        self._is_waking = self._is_telling = self._is_away = False
        self._is_listening = self._is_bound = False
        self._stopping = threading.Event()
        # A daemon: a broker that is frozen must not hold the process.
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)

    def start(self) -> None:
        """Connects, and again whenever the connection is lost."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Says and hears nothing more; returns at once."""
        self._stopping.set()
        self._wake()

    # What the loop says. Nothing here waits.

    def changed(self, key: TaskKey, *, settled: bool = False) -> None:
        if self._watched.wants_change(key, settled=settled):
            self._hints.append(key)
            self._wake()

    def delta(self, key: TaskKey, delta: Delta) -> None:
        if self._watched.wants_deltas(key):
            self._say(DELTA, {"task": key, "type": delta.type, "data": delta.data})

    def wants_deltas(self, key: TaskKey) -> bool:
        return self._watched.wants_deltas(key)

    def watch(self, interests: Iterable[Interest]) -> None:
        named = list(interests)
        self._watched.note(named)
        for start in range(0, len(named), MAX_NAMED):
            part = named[start : start + MAX_NAMED]
            self._say(INTEREST, {"tasks": [[*one.key, _wanted(one)] for one in part]})

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        self._is_listening = True
        self._wake()

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _say(self, routing_key: str, body: dict[str, Any]) -> None:
        self._outbox.append(_Message(routing_key, body, time.monotonic()))
        self._wake()

    def _wake(self) -> None:
        connection = self._connection
        if connection is None or self._is_waking:
            return
        self._is_waking = True
        try:
            connection.add_callback_threadsafe(self._flush)
        except AMQPError:  # it is being closed: the next connection flushes
            self._is_waking = False

    # What the thread does.

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._talk()
            except (AMQPError, OSError) as error:
                self._say_away(error)
            # Without this thread streams would be slow until the process ends.
            except Exception:
                log.exception("signals failed, connecting again")
            self._connection = None
            self._stopping.wait(RECONNECT_S)

    def _say_away(self, error: Exception) -> None:
        """Once for each time that it is away: connecting goes on for as long."""
        if not self._is_away:
            self._is_away = True
            log.warning("signals are away, streams are slower", error=repr(error)[:200])

    def _talk(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        try:
            self._channel = channel = connection.channel()
            channel.exchange_declare(EXCHANGE, "topic", durable=False)
            queue = channel.queue_declare("", exclusive=True, arguments=QUEUE_LIMITS).method.queue
            channel.queue_bind(queue, EXCHANGE, INTEREST)
            channel.basic_consume(queue, self._hear, auto_ack=True)
            self._queue = queue
            self._is_waking = self._is_away = self._is_bound = False
            self._connection = connection
            self._flush()
            while not self._stopping.is_set():
                connection.process_data_events(time_limit=IDLE_S)
        finally:
            self._connection = None
            if connection.is_open:
                connection.close()

    def _flush(self) -> None:
        """Publishes what waits."""
        self._is_waking = False  # first: what comes from now on wakes this again
        self._bind()
        hints: dict[TaskKey, None] = {}  # several for one task become one
        while self._hints:
            hints[self._hints.popleft()] = None
        keys = list(hints)
        for start in range(0, len(keys), MAX_NAMED):
            self._publish(NEWS, {"tasks": keys[start : start + MAX_NAMED]})
        while self._outbox:
            message = self._outbox.popleft()
            if message.routing_key == INTEREST or time.monotonic() - message.made_at < STALE_S:
                self._publish(message.routing_key, message.body)

    def _bind(self) -> None:
        """From the first listener on: a process that has none would be woken by every hint for nothing."""
        if self._is_listening and not self._is_bound:
            self._is_bound = True
            for routing_key in (NEWS, DELTA):
                self._channel.queue_bind(self._queue, EXCHANGE, routing_key)

    def _publish(self, routing_key: str, body: dict[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        self._channel.basic_publish(EXCHANGE, routing_key, text.encode(errors="replace"))

    def _hear(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self._inbox.append((method.routing_key, body))
        if not self._is_telling and self._loop is not None and not self._loop.is_closed():
            self._is_telling = True
            self._loop.call_soon_threadsafe(self._tell)

    # What the loop hears.

    def _tell(self) -> None:
        self._is_telling = False  # first, as in `_flush`
        while self._inbox:
            routing_key, body = self._inbox.popleft()
            try:
                self._tell_one(routing_key, json.loads(body))
            except (ValueError, TypeError, KeyError, AttributeError):
                # Whoever may publish may have put anything there.
                log.debug("dropped a signal that is none", routing_key=routing_key)

    def _tell_one(self, routing_key: str, body: Any) -> None:
        if routing_key == INTEREST:
            self._watched.note(
                Interest(TaskKey(str(tenant_id), str(task_id)), wanted is True, wanted != SETTLED)
                for tenant_id, task_id, wanted in body["tasks"]
            )
        elif routing_key == NEWS:
            for tenant_id, task_id in body["tasks"]:
                for listener in self._listeners:
                    listener.changed(TaskKey(tenant_id, task_id))
        elif routing_key == DELTA:
            key = TaskKey(*body["task"])
            delta = Delta(dict(body["data"]), str(body["type"]))
            for listener in self._listeners:
                listener.delta(key, delta)


def _wanted(interest: Interest) -> bool | str:
    return interest.deltas if interest.events else SETTLED
