"""How doors see a task move: one function, so that what stands behind it can be another."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from ops_core.log import Event, EventType
from ops_core.service import TaskService
from ops_core.task import Reason, Status, Task

#: Rest between two looks at a log that has not grown. Seconds.
POLL_S: Final = 0.25

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
    """The events of a task after `after`, as they come, for at most `within_s` seconds.

    Ends then, and never before: whoever follows leaves when it has seen enough. Raises `TaskNotFound`.
    """

    def __call__(
        self, task_id: str, *, tenant_id: str, after: int, within_s: float
    ) -> AsyncIterator[Event]: ...


def polled(tasks: TaskService, *, poll_s: float = POLL_S) -> Follow:
    """Reads the log again and again."""

    async def follow(
        task_id: str, *, tenant_id: str, after: int, within_s: float
    ) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            events = await tasks.events(task_id, tenant_id=tenant_id, after=after)
            for event in events:
                yield event
                after = event.seq
            if (left_s := until - loop.time()) <= 0:
                return
            if not events:
                await asyncio.sleep(min(poll_s, left_s))

    return follow
