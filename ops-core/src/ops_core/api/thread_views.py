"""What clients see of threads and of what was said in them."""

from typing import Any, Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.task import Status
from ops_core.threads import MessagePage, OnBusy, Said, Thread, ThreadPage


class ForkedFromView(BaseModel):
    """What a fork shares."""

    thread_id: str
    seq: int


class ThreadView(BaseModel):
    """A conversation."""

    thread_id: str = Field(examples=["thread_0123456789abcdef0123456789abcdef"])
    name: str | None
    on_busy: OnBusy = Field(
        description="What becomes of a new task while another one is under way, unless the task says."
    )
    last_seq: int = Field(description="The number of its last message; 0 while it has none.")
    forked_from: ForkedFromView | None
    created_at: Time
    updated_at: Time
    archived_at: Time | None = Field(description="Since when it takes no more tasks.")

    @classmethod
    def of(cls, thread: Thread) -> Self:
        source = thread.forked_from
        return cls(
            thread_id=thread.thread_id,
            name=thread.name,
            on_busy=thread.on_busy,
            last_seq=thread.last_seq,
            forked_from=ForkedFromView(**source) if source else None,
            created_at=thread.created_at,
            updated_at=thread.updated_at,
            archived_at=thread.archived_at,
        )


class ThreadPageView(BaseModel):
    """One page of threads, newest first."""

    threads: list[ThreadView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: ThreadPage) -> Self:
        threads = [ThreadView.of(thread) for thread in page.threads]
        return cls(threads=threads, next_cursor=page.next_cursor)


class MessageView(BaseModel):
    """One task of a thread: what was asked, and what it answered."""

    seq: int = Field(description="Its place in the thread; those of pruned tasks are missing.")
    task_id: str
    status: Status
    asked: Any = Field(
        description="For agent_run the goal; null for a type that has no such words."
    )
    answered: Any = Field(
        description="For agent_run the output; null until the task has completed."
    )
    created_at: Time
    completed_at: Time | None

    @classmethod
    def of(cls, said: Said) -> Self:
        message = said.message
        return cls(
            seq=message.seq,
            task_id=message.task_id,
            status=message.status,
            asked=said.asked,
            answered=said.answered,
            created_at=message.created_at,
            completed_at=message.completed_at,
        )


class MessagePageView(BaseModel):
    """Messages in order."""

    messages: list[MessageView]
    next_after: int = Field(description="`after` of the next page: the last `seq` seen so far.")

    @classmethod
    def of(cls, page: MessagePage) -> Self:
        return cls(
            messages=[MessageView.of(said) for said in page.messages], next_after=page.next_after
        )
