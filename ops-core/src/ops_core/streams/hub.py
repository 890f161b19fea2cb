"""The one reader of a door process: it looks at the logs of all watched tasks, for all who watch.

It asks one question for all tasks that are due, by their ids and the last `seq` that was told of each. A task
is due at once when a signal says so; without one it is looked at soon after news, and less and less often
while there are none. So signals make a stream quick, and nothing is lost without them.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ops_core.errors import ServerStopping, StoreUnavailable, TooManyStreams
from ops_core.log import Event
from ops_core.ports import TaskKey
from ops_core.streams.permit import Ask, Permit
from ops_core.streams.ports import News, Tasks
from ops_core.streams.schedule import Schedule
from ops_core.streams.signals import ANNOUNCE_S, Delta, Interest, Signals
from ops_core.streams.topic import Topic
from ops_core.streams.watch import Watch
from ops_core.task import Task

log = structlog.get_logger(__name__)

#: Events read in one go: of one task, so that none holds up the others, and of all.
EACH: Final = 100
TOTAL: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Bounds and rests of the streams of one process. Durations in seconds."""

    max_streams: int = 10_000
    max_tenant_streams: int = 8_000
    """Of them one tenant's: the others find places, however many it opens."""

    recheck_s: float = 30.0
    """How often it is asked whether who watches may still do so."""

    buffer: int = 1000
    """Events that may wait for one client; one that is slower is dropped."""

    poll_s: float = 0.02
    """Between two looks at a task that has just had news; doubled with each look that finds none."""

    idle_s: float = 1.0
    """The longest that it doubles to."""

    keepalive_s: float = 15.0
    """After so much silence a stream says that it is still there."""

    max_wait_s: float = 60.0
    """The longest that a request may be held."""


DEFAULT_STREAM_SETTINGS: Final = StreamSettings()


class Hub:
    """Opens watches and feeds them. It reads while there are any, and does nothing else in between."""

    def __init__(
        self, tasks: Tasks, news: News, signals: Signals, settings: StreamSettings
    ) -> None:
        self._tasks = tasks
        self._news = news
        self._signals = signals
        self._settings = settings
        self._topics: dict[TaskKey, Topic] = {}
        self._schedule = Schedule()
        self._count = 0
        self._of_tenant: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._announce_at = 0.0
        self._is_away = False
        self._is_stopping = False

    @property
    def count(self) -> int:
        """How many watches are open."""
        return self._count

    def check(self, tenant_id: str) -> None:
        """Raises `TooManyStreams`, `ServerStopping` when the tenant could open no watch now."""
        if self._is_stopping:
            raise ServerStopping
        settings = self._settings
        if self._count >= settings.max_streams:
            raise TooManyStreams(settings.max_streams)
        if self._of_tenant[tenant_id] >= settings.max_tenant_streams:
            raise TooManyStreams(settings.max_tenant_streams, whose="your tenant")

    def open(
        self,
        task: Task,
        *,
        after: int,
        deltas: bool = False,
        events: bool = True,
        still: Ask | None = None,
    ) -> Watch:
        """A watch of the task, just read, by somebody who may see it. Raises as `check`.

        Not `events`: to hear soon when it may have settled, and of events when they are looked for by chance.
        `still`: asked from time to time whether he is let in.
        """
        self.check(task.tenant_id)
        key = TaskKey(task.tenant_id, task.task_id)
        topic = self._topics.get(key)
        is_new = topic is None
        if topic is None:
            topic = Topic(key, task.last_seq, has_ended=task.is_terminal)
            topic.rest_s = self._settings.poll_s
            self._topics[key] = topic
        known = topic.interest
        watch = Watch(
            topic,
            self._tasks,
            after=after,
            over=task.is_terminal and after >= task.last_seq,
            wants=Interest(key, deltas, events),
            room=self._settings.buffer,
            permit=Permit(still, self._settings.recheck_s),
            leave=self._leave,
        )
        topic.add(watch)
        self._count += 1
        self._of_tenant[key.tenant_id] += 1
        if is_new or topic.interest != known:
            self._signals.watch([topic.interest])
        self._look_at(topic, 0.0 if events else self._settings.poll_s)
        return watch

    def close(self) -> None:
        """Ends every stream, and opens none any more."""
        self._is_stopping = True
        for topic in self._topics.values():
            for watch in topic.watches:
                watch.stop(ServerStopping())
        self._wake.set()

    # What signals say.

    def changed(self, key: TaskKey) -> None:
        """See `Listener`."""
        topic = self._topics.get(key)
        if topic is None:
            return
        if topic.interest.events:
            # Hints of all events come, and whoever waits for the end is told of it by the look.
            self._look_at(topic)
            return
        for watch in topic.watches:
            watch.hint()

    def delta(self, key: TaskKey, delta: Delta) -> None:
        """See `Listener`."""
        topic = self._topics.get(key)
        if topic is not None:
            for watch in topic.watches:
                watch.tell_delta(delta)

    def _look_at(self, topic: Topic, rest_s: float = 0.0) -> None:
        self._schedule.put(topic, self._now(), rest_s)
        self._wake.set()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_forever(), name="streams")

    def _leave(self, watch: Watch) -> None:
        topic = watch.topic
        if watch not in topic.watches:
            return
        topic.remove(watch)
        self._count -= 1
        self._of_tenant -= Counter({topic.key.tenant_id: 1})  # forgets who has none
        if not topic.watches:
            del self._topics[topic.key]
            self._wake.set()

    # Reading.

    async def _read_forever(self) -> None:
        """Until nobody watches any more."""
        unlisten = self._signals.listen(self)
        self._announce_at = self._now() + ANNOUNCE_S
        try:
            while self._topics and not self._is_stopping:
                self._announce()
                due = self._schedule.take(self._now())
                for tenant_id, topics in _by_tenant(due).items():
                    await self._look(tenant_id, topics)
                if not due:
                    await self._rest()
        finally:
            unlisten()

    async def _rest(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout_at(min(self._schedule.next_at, self._announce_at)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _announce(self) -> None:
        """Says again what is watched, for workers that came since, or would forget."""
        if self._now() >= self._announce_at:
            self._announce_at = self._now() + ANNOUNCE_S
            self._signals.watch([topic.interest for topic in self._topics.values()])

    async def _look(self, tenant_id: str, topics: Sequence[Topic]) -> None:
        after = {topic.key.task_id: topic.seq for topic in topics}
        try:
            found = await self._news.news(tenant_id, after, each=EACH, total=TOTAL)
        except StoreUnavailable as error:
            self._away(topics, str(error))
            return
        # Without this reader every stream of the process would stand still.
        except Exception as error:
            log.exception("a look at the logs failed, looking again")
            self._away(topics, repr(error))
            return
        if self._is_away:
            self._is_away = False
            log.info("the store is back, streams go on")
        events = _by_task(found)
        # Those that had nothing first: after a look that was cut off they are the next to be asked for.
        for topic in sorted(topics, key=lambda topic: topic.key.task_id in events):
            self._tell(topic, events.get(topic.key.task_id, ()), is_whole=len(found) < TOTAL)

    def _tell(self, topic: Topic, events: Sequence[Event], *, is_whole: bool) -> None:
        told = topic.take(events)
        is_at_edge = is_whole and len(told) == len(events) < EACH
        for watch in topic.watches:
            watch.tell(told)
            if is_at_edge and topic.has_ended:
                watch.end()
        settings = self._settings
        topic.rest_s = settings.poll_s if told else min(2 * topic.rest_s, settings.idle_s)
        self._schedule.put(topic, self._now(), topic.rest_s if is_at_edge else 0.0)

    def _away(self, topics: Sequence[Topic], why: str) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("the store is away, streams wait", error=why)
        for topic in topics:
            topic.rest_s = min(2 * topic.rest_s, self._settings.idle_s)
            self._schedule.put(topic, self._now(), topic.rest_s)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _by_tenant(topics: Sequence[Topic]) -> dict[str, list[Topic]]:
    """Each tenant is asked for by itself: the database lets nobody see two at once."""
    found: defaultdict[str, list[Topic]] = defaultdict(list)
    for topic in topics:
        found[topic.key.tenant_id].append(topic)
    return found


def _by_task(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.task_id].append(event)
    return {task_id: sorted(own, key=lambda event: event.seq) for task_id, own in found.items()}
