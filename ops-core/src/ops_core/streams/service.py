"""What doors do with streams: follow a task, and hold a request until a task has settled."""

import asyncio
from typing import Final

from ops_core.errors import FieldError, InvalidRequest, Unavailable
from ops_core.log import EventType
from ops_core.streams.hub import DEFAULT_STREAM_SETTINGS, Hub, StreamSettings
from ops_core.streams.permit import Ask
from ops_core.streams.ports import ENDS, News, Tasks
from ops_core.streams.signals import NoSignals, Signals
from ops_core.streams.told import Told
from ops_core.streams.watch import Watch
from ops_core.task import SETTLED, Task

#: After which of its events it may stand there.
_SETTLING: Final = ENDS | {EventType.TASK_WAITING}


class EventStreams:
    """The streams of one process: any number of clients, one reader."""

    def __init__(
        self,
        tasks: Tasks,
        news: News,
        signals: Signals | None = None,
        *,
        settings: StreamSettings = DEFAULT_STREAM_SETTINGS,
    ) -> None:
        self.settings = settings
        self._tasks = tasks
        self._hub = Hub(tasks, news, NoSignals() if signals is None else signals, settings)

    async def watch(
        self,
        task_id: str,
        *,
        tenant_id: str,
        after: int = 0,
        deltas: bool = False,
        still: Ask | None = None,
    ) -> Watch:
        """The task's events after `after`; close it.

        `still` is asked from time to time whether who watches is let in; the watch ends with what it raises.
        Raises `TaskNotFound`, `InvalidRequest`, `TooManyStreams`, `ServerStopping`, `StoreUnavailable`.
        """
        self._hub.check(tenant_id)
        if not 0 <= after < 2**63:
            message = "must be a sequence number, 0 or larger"
            raise InvalidRequest([FieldError("after", message)])
        task = await self._tasks.get(task_id, tenant_id=tenant_id)
        return self._hub.open(task, after=after, deltas=deltas, still=still)

    async def settled(self, task: Task, *, within_s: float) -> Task:
        """The task when it has ended or needs something, or as it is after that time.

        Sooner, too, where it cannot be watched: the caller has a task, and may ask again.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + min(within_s, self.settings.max_wait_s)
        try:
            with self._hub.open(task, after=task.last_seq, events=False) as watch:
                while task.status not in SETTLED and (left_s := until - loop.time()) > 0:
                    told = await watch.next(left_s)
                    if not told or any(_may_settle(one) for one in told):
                        task = await self._tasks.get(task.task_id, tenant_id=task.tenant_id)
                    if watch.over:  # and retried since, where it has not settled
                        break
        except Unavailable:
            return task
        return task

    def count(self) -> int:
        """How many there are, held requests among them."""
        return self._hub.count

    def close(self) -> None:
        """Ends every stream at once, each with a word that its client may come again."""
        self._hub.close()


def _may_settle(one: object) -> bool:
    return isinstance(one, Told) and one.event.type in _SETTLING
