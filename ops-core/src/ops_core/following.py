"""How doors see a task move: one function, over the streams that all doors share."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, Protocol

from ops_core.log import Event, EventType
from ops_core.streams.service import EventStreams
from ops_core.streams.told import Told
from ops_core.task import Reason, Status, Task

#: Events after which a task may stand where it does not move on by itself.
SETTLING: Final = frozenset(
    {
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.TASK_CANCELLED,
        EventType.TASK_WAITING,
    }
)

#: What only a person brings.
_OF_PEOPLE: Final = frozenset({Reason.APPROVAL, Reason.INPUT, Reason.EFFECT_UNKNOWN})


def needs_someone(task: Task) -> bool:
    """Whether it waits for a person: a child or a timer moves it on without one."""
    waits = task.waiting_for or ()
    reasons = {task.reason, *(wait.get("reason") for wait in waits)}
    return task.status is Status.WAITING and not _OF_PEOPLE.isdisjoint(reasons)


def is_settled(task: Task) -> bool:
    """Whether it will not move on by itself."""
    return task.is_terminal or needs_someone(task)


class Follow(Protocol):
    """The events of a task after `after`, as they come: for `within_s` seconds, or until it has ended.

    Close it. Raises `TaskNotFound`, and what is `Unavailable`.
    """

    def __call__(
        self, task_id: str, *, tenant_id: str, after: int, within_s: float
    ) -> AsyncGenerator[Event, None]: ...


def watched(streams: EventStreams) -> Follow:
    """Follows as every stream of the process does: with the one reader that they share."""

    async def follow(
        task_id: str, *, tenant_id: str, after: int, within_s: float
    ) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        with await streams.watch(task_id, tenant_id=tenant_id, after=after) as watch:
            while not watch.over and (left_s := until - loop.time()) > 0:
                for one in await watch.next(left_s):
                    if isinstance(one, Told):
                        yield one.event

    return follow
