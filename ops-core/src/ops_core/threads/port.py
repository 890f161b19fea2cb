"""What is kept of threads, and the port of who keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ops_core.task import JsonObject, Status


class OnBusy(StrEnum):
    """What becomes of a new task while another one of its thread is under way."""

    REJECT = "reject"
    """It is refused."""

    ENQUEUE = "enqueue"
    """It waits until those before it have ended, however they do."""

    INTERRUPT = "interrupt"
    """Those before it are cancelled, and it runs as soon as they have stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewThread:
    """A checked request, ready to be stored."""

    tenant_id: str
    thread_id: str
    name: str | None = None
    on_busy: OnBusy = OnBusy.ENQUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A thread as it is stored."""

    tenant_id: str
    thread_id: str
    name: str | None
    on_busy: OnBusy
    last_seq: int
    """The number of its last task; 0 while it has none."""

    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    forked_from: JsonObject | None = None
    """The thread, and the `seq` up to which this one shares its tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One task of a thread, at its place."""

    seq: int
    task_id: str
    task_type: str
    status: Status
    input_data: JsonObject
    result: JsonObject | None
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """One page, newest first. `next_cursor` is None on the last page."""

    threads: list[Thread]
    next_cursor: str | None


class ThreadStore(Protocol):
    """Keeps the threads of every tenant; each call acts for one. Raises `StoreUnavailable`.

    Tasks enter a thread when they are submitted: that is the task store's.
    """

    async def create(self, new: NewThread) -> Thread:
        """Raises `ThreadExists`."""
        ...

    async def get(self, tenant_id: str, thread_id: str) -> Thread:
        """Raises `ThreadNotFound`."""
        ...

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> ThreadPage:
        """Newest first. Raises `InvalidRequest` for a cursor that it did not give out."""
        ...

    async def messages(
        self, tenant_id: str, thread_id: str, *, after: int, limit: int
    ) -> Sequence[Message]:
        """The tasks with `seq > after`, in order. Raises `ThreadNotFound`."""
        ...

    async def archive(self, tenant_id: str, thread_id: str) -> Thread:
        """It takes no more tasks; those it has go on. Once more changes nothing. Raises `ThreadNotFound`."""
        ...

    async def fork(self, source_id: str, after_seq: int, new: NewThread) -> Thread:
        """Stores a thread that shares the tasks of another one up to `after_seq`, archived or not.

        Raises `ThreadNotFound`, `ThreadExists`, and `InvalidRequest` when that part is not all there, or not
        all ended.
        """
        ...
