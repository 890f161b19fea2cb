"""What a hub asks of others."""

from collections.abc import Mapping
from typing import Final, Protocol

from ops_core.log import Event, EventType
from ops_core.task import Task

#: The last event of a generation; only `task.retried` can follow.
ENDS: Final = frozenset({EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_CANCELLED})


class Tasks(Protocol):
    """`TaskService`, as far as a stream needs it. Raises `StoreUnavailable`."""

    async def get(self, task_id: str, *, tenant_id: str) -> Task:
        """Raises `TaskNotFound`."""
        ...

    async def events(
        self, task_id: str, *, tenant_id: str, after: int = 0, limit: int = 100
    ) -> list[Event]:
        """The events after `after`, in order. Raises `TaskNotFound`."""
        ...


class News(Protocol):
    """The logs of many tasks, read with one question."""

    async def news(
        self, tenant_id: str, after: Mapping[str, int], *, each: int, total: int
    ) -> list[Event]:
        """Of each task the next events beyond the `seq` that it is known to, in order.

        At most `each` of one task, and `total` in all; a task that is gone has none. Journals are left out.
        Raises `StoreUnavailable`.
        """
        ...
