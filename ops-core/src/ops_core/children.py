"""Children of a running task: started once, waited for without holding a worker."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ops_core.log import EventType, NewEvent
from ops_core.ports import ChildEnd, TaskLog
from ops_core.replay import read
from ops_core.step import Step, idempotency_key
from ops_core.task import JsonObject, Reason, Status, Task, TaskError, Wait

StartChild = Callable[[JsonObject, str], Awaitable[str]]
"""Submits a task under an idempotency key, with the running task as its parent; returns its id."""

_KEY: Final = "child:"


class Children:
    """The children of one run of a task. `start` submits a task to the service."""

    __slots__ = ("_log", "_recorded", "_start", "_task")

    def __init__(self, task: Task, log: TaskLog, start: StartChild) -> None:
        self._task = task
        self._log = log
        self._start = start
        self._recorded = read(log.history)

    async def start(self, path: str, request: JsonObject) -> str:
        """The id of the child that this step started, whatever died in between."""
        step = Step(path, "child", "start", request, "idempotent")
        entry = self._recorded.value(step)
        if entry is None:
            key = _KEY + idempotency_key(self._task.task_id, path)
            child = await self._start(request, key)
            data = step.place | {"child_task_id": child}
            entry = step.entry | {"value": child}
            await self._log.append(NewEvent(type=EventType.CHILD_STARTED, data=data, journal=entry))
        return str(entry["value"])

    async def wait(
        self, path: str, task_ids: Sequence[str], need: int | None = None
    ) -> list[ChildEnd]:
        """Returns when `need` of them have ended (all when None): those that have, in the order given.

        However they ended; the caller looks at `status`.
        """
        step = Step(path, "children", "wait", {"tasks": list(task_ids), "need": need}, "pure")
        entry = self._recorded.value(step)
        if entry is not None:
            return [self._end(path, child) for child in entry["value"]]
        task_ids = list(dict.fromkeys(task_ids))  # a child that is named twice ends once
        needed = len(task_ids) if need is None else min(need, len(task_ids))
        ends = await self._ended(path, task_ids)
        if len(ends) < needed:
            missing = [child for child in task_ids if child not in ends]
            self._log.suspend(
                Wait(
                    reason=Reason.CHILD,
                    step=path,
                    detail={"children": missing[:_SHOWN], "needed": needed - len(ends)},
                    children_needed=needed - len(ends),
                )
            )
        counted = [child for child in task_ids if child in ends]
        data = step.place | {"kind": step.kind, "name": step.name}
        await self._log.append(
            NewEvent(
                type=EventType.STEP_RECORDED, data=data, journal=step.entry | {"value": counted}
            )
        )
        return [ends[child] for child in counted]

    async def _ended(self, path: str, task_ids: Sequence[str]) -> dict[str, ChildEnd]:
        """The children that have ended; those that the log did not know of are told to it."""
        known = {child: self._end(path, child) for child in task_ids if self._is_known(path, child)}
        asked = [child for child in task_ids if child not in known]
        found = {end.task_id: end for end in await self._log.children(asked)} if asked else {}
        if found:
            await self._log.append(*(_finished(path, end) for end in found.values()))
        return known | found

    def _is_known(self, path: str, child: str) -> bool:
        return f"{path}/{child}" in self._recorded.finished

    def _end(self, path: str, child: str) -> ChildEnd:
        return _end_of(self._recorded.finished[f"{path}/{child}"]["value"])


#: How many of the children that a task waits for its clients are shown.
_SHOWN: Final = 20


def _finished(path: str, end: ChildEnd) -> NewEvent:
    value = {
        "task_id": end.task_id,
        "status": end.status.value,
        "result": end.result,
        "error": None
        if end.error is None
        else {"type": end.error.type, "message": end.error.message},
    }
    step = Step(f"{path}/{end.task_id}", "child", "end", None, "pure")
    data = {"path": path, "child_task_id": end.task_id, "status": end.status.value}
    return NewEvent(type=EventType.CHILD_FINISHED, data=data, journal=step.entry | {"value": value})


def _end_of(value: dict[str, Any]) -> ChildEnd:
    error = value["error"]
    return ChildEnd(
        task_id=value["task_id"],
        status=Status(value["status"]),
        result=value["result"],
        error=None if error is None else TaskError(type=error["type"], message=error["message"]),
    )
