"""The tasks of a running Opspawn, as a test reaches them past every door: straight in its database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ops_core.ports import Decide, TaskFilter
from ops_core.store import Database, SqlTaskStore
from ops_core.task import Task
from support.databases import outside_any_loop

T = TypeVar("T")


class TasksDoor:
    """Each call opens a connection of its own, so that the servers may come and go between two."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    def bring(self, task: dict[str, Any], decide: Decide) -> None:
        """Brings an answer, a decision or a word on a call in doubt."""
        self._do(lambda store: store.signal("default", task["task_id"], decide))

    def get(self, task: dict[str, Any]) -> Task:
        return self._do(lambda store: store.get("default", task["task_id"]))

    def all(self) -> list[Task]:
        return self._do(
            lambda store: store.page("default", TaskFilter(), limit=1000, cursor=None)
        ).tasks

    def children(self, task: dict[str, Any]) -> list[Task]:
        where = TaskFilter(parent_task_id=task["task_id"])
        return self._do(lambda store: store.page("default", where, limit=100, cursor=None)).tasks

    def _do(self, work: Callable[[SqlTaskStore], Awaitable[T]]) -> T:
        found: list[T] = []

        async def run() -> None:
            database = Database(self._url, pool_size=1)
            try:
                found.append(await work(SqlTaskStore(database)))
            finally:
                await database.close()

        outside_any_loop(lambda: asyncio.run(run()))
        return found[0]
