"""What can be done with threads. Tasks enter them through the service of tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import TaskType
from ops_core.request import check_json
from ops_core.task import Status
from ops_core.threads.port import Message, OnBusy, Thread, ThreadPage, ThreadStore
from ops_core.threads.request import ThreadForkRequest, ThreadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of a thread, in words: what a task was asked and answered, as far as its type tells."""

    message: Message
    asked: Any
    answered: Any


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages in order."""

    messages: Sequence[Said]
    next_after: int
    """`after` of the next page."""


class ThreadService:
    """Makes threads, and shows what was said in them. `types` say where a task keeps that."""

    def __init__(self, store: ThreadStore, types: Mapping[str, TaskType]) -> None:
        self._store = store
        self._types = types

    async def create(self, request: ThreadRequest, *, tenant_id: str) -> Thread:
        """Raises `ThreadExists`, `StoreUnavailable`."""
        return await self._store.create(request.new(tenant_id, OnBusy(request.on_busy)))

    async def get(self, thread_id: str, *, tenant_id: str) -> Thread:
        """Raises `ThreadNotFound`."""
        return await self._store.get(tenant_id, _checked(thread_id))

    async def list(
        self, *, tenant_id: str, archived: bool = False, limit: int = 50, cursor: str | None = None
    ) -> ThreadPage:
        """One page, newest first. Raises `InvalidRequest` for a wrong cursor."""
        return await self._store.page(tenant_id, archived=archived, limit=limit, cursor=cursor)

    async def messages(
        self, thread_id: str, *, tenant_id: str, after: int = 0, limit: int = 100
    ) -> MessagePage:
        """The messages after `after`, in order. Raises `ThreadNotFound`."""
        if not 0 <= after < 2**63:
            raise InvalidRequest([FieldError("after", "must be a sequence number, 0 or larger")])
        found = await self._store.messages(tenant_id, _checked(thread_id), after=after, limit=limit)
        said = [self._said(message) for message in found]
        return MessagePage(said, found[-1].seq if found else after)

    async def archive(self, thread_id: str, *, tenant_id: str) -> Thread:
        """It takes no more tasks. Raises `ThreadNotFound`."""
        return await self._store.archive(tenant_id, _checked(thread_id))

    async def fork(self, thread_id: str, request: ThreadForkRequest, *, tenant_id: str) -> Thread:
        """A new thread that goes on from a message of this one.

        Raises `ThreadNotFound`, `ThreadExists`, `InvalidRequest`, `StoreUnavailable`.
        """
        source = await self.get(thread_id, tenant_id=tenant_id)
        new = request.new(tenant_id, source.on_busy)
        return await self._store.fork(source.thread_id, request.after_seq, new)

    def _said(self, message: Message) -> Said:
        known = self._types.get(message.task_type)
        asked = known.asked if known else None
        answered = known.answered if known else None
        # What a failed task has is no answer: the part of one that there was.
        is_answered, result = message.status is Status.COMPLETED, message.result or {}
        return Said(
            message=message,
            asked=message.input_data.get(asked) if asked else None,
            answered=result.get(answered) if answered and is_answered else None,
        )


def _checked(thread_id: str) -> str:
    check_json({"thread_id": thread_id})
    return thread_id
