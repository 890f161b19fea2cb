"""The logs of many tasks, from a store that has no question for them all."""

from collections.abc import Mapping
from dataclasses import replace

from ops_core.errors import TaskNotFound
from ops_core.log import Event
from ops_core.streams.ports import Tasks


class TaskByTask:
    """`News` over the service: asks for one task after another."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def news(
        self, tenant_id: str, after: Mapping[str, int], *, each: int, total: int
    ) -> list[Event]:
        found: list[Event] = []
        for task_id, seq in after.items():
            try:
                found += await self._tasks.events(
                    task_id, tenant_id=tenant_id, after=seq, limit=min(each, total)
                )
            except TaskNotFound:
                continue
        return [replace(event, journal=None) for event in found[:total]]
