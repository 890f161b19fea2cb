"""Threads in memory, over the tasks of a `MemoryStore`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ops_core.errors import TaskNotFound, ThreadExists, ThreadNotFound
from ops_core.task import NewTask, Task
from ops_core.testing.memory_pages import page_of
from ops_core.threads.entering import Entry, check_part, enter
from ops_core.threads.port import Message, NewThread, OnBusy, Thread, ThreadPage

FindTask = Callable[[str, str], Task]
"""The task of a tenant. Raises `TaskNotFound`."""


class MemoryThreadStore:
    """`ThreadStore` over dictionaries; `find` looks tasks up."""

    def __init__(self, clock: Callable[[], datetime], find: FindTask) -> None:
        self._clock = clock
        self._find = find
        self._threads: dict[tuple[str, str], Thread] = {}
        self._places: dict[tuple[str, str], dict[int, str]] = {}

    async def create(self, new: NewThread) -> Thread:
        return self._create(new)

    async def get(self, tenant_id: str, thread_id: str) -> Thread:
        return self._thread(tenant_id, thread_id)

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> ThreadPage:
        threads = {
            thread_id: (thread.created_at, thread_id)
            for (tenant, thread_id), thread in self._threads.items()
            if tenant == tenant_id and (thread.archived_at is not None) == archived
        }
        ids, next_cursor = page_of(threads, limit, cursor)
        return ThreadPage([self._threads[tenant_id, each] for each in ids], next_cursor)

    async def messages(
        self, tenant_id: str, thread_id: str, *, after: int, limit: int
    ) -> list[Message]:
        self._thread(tenant_id, thread_id)
        found = self._tasks(tenant_id, thread_id)
        return [_message(seq, task) for seq, task in sorted(found.items()) if seq > after][:limit]

    async def archive(self, tenant_id: str, thread_id: str) -> Thread:
        thread = self._thread(tenant_id, thread_id)
        thread = replace(thread, archived_at=thread.archived_at or self._clock())
        self._threads[tenant_id, thread_id] = thread
        return thread

    async def fork(self, source_id: str, after_seq: int, new: NewThread) -> Thread:
        source = self._thread(new.tenant_id, source_id)
        part = {
            seq: task
            for seq, task in self._tasks(new.tenant_id, source_id).items()
            if seq <= after_seq
        }
        check_part(source, after_seq, len(part), sum(t.is_terminal for t in part.values()))
        thread = replace(
            self._create(new),
            last_seq=after_seq,
            forked_from={"thread_id": source_id, "seq": after_seq},
        )
        key = (new.tenant_id, new.thread_id)
        self._threads[key] = thread
        self._places[key] = {seq: task.task_id for seq, task in part.items()}
        return thread

    def enter(self, new: NewTask) -> Entry:
        """See `ops_core.threads.enter`; nothing is changed when it raises."""
        assert new.thread_id is not None, "only a task with a thread enters one"
        key = (new.tenant_id, new.thread_id)
        thread = self._threads.get(key) or _thread(_implied(new), self._clock())
        entry = enter(thread, self.unfinished(new.tenant_id, new.thread_id), new.on_busy)
        self._threads[key] = replace(thread, last_seq=thread.last_seq + 1, updated_at=self._clock())
        self._places.setdefault(key, {})[thread.last_seq + 1] = new.task_id
        return entry

    def unfinished(self, tenant_id: str, thread_id: str, but: str = "") -> list[str]:
        """The tasks of the thread that are under way; those of a fork's source are not its own."""
        tasks = self._tasks(tenant_id, thread_id).values()
        return sorted(
            task.task_id
            for task in tasks
            if not task.is_terminal and task.thread_id == thread_id and task.task_id != but
        )

    def earlier(self, task: Task) -> list[Task]:
        """The tasks that ended before this one in its thread, in order."""
        tasks = self._tasks(task.tenant_id, task.thread_id or "")
        seq = next(seq for seq, one in tasks.items() if one.task_id == task.task_id)
        return [one for place, one in sorted(tasks.items()) if place < seq and one.is_terminal]

    def _thread(self, tenant_id: str, thread_id: str) -> Thread:
        thread = self._threads.get((tenant_id, thread_id))
        if thread is None:
            raise ThreadNotFound(thread_id)
        return thread

    def _create(self, new: NewThread) -> Thread:
        key = (new.tenant_id, new.thread_id)
        if key in self._threads:
            raise ThreadExists(new.thread_id)
        self._threads[key] = _thread(new, self._clock())
        return self._threads[key]

    def _tasks(self, tenant_id: str, thread_id: str) -> dict[int, Task]:
        found: dict[int, Task] = {}
        for seq, task_id in self._places.get((tenant_id, thread_id), {}).items():
            try:
                found[seq] = self._find(tenant_id, task_id)
            except TaskNotFound:  # pruned
                continue
        return found


def _implied(new: NewTask) -> NewThread:
    return NewThread(tenant_id=new.tenant_id, thread_id=new.thread_id or "")


def _thread(new: NewThread, now: datetime) -> Thread:
    return Thread(
        tenant_id=new.tenant_id,
        thread_id=new.thread_id,
        name=new.name,
        on_busy=OnBusy(new.on_busy),
        last_seq=0,
        created_at=now,
        updated_at=now,
    )


def _message(seq: int, task: Task) -> Message:
    return Message(
        seq=seq,
        task_id=task.task_id,
        task_type=task.task_type,
        status=task.status,
        input_data=task.input_data,
        result=task.result,
        created_at=task.created_at,
        completed_at=task.completed_at,
    )
