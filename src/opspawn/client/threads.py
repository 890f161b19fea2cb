"""Conversations: what the server says of them, and the calls."""

from datetime import datetime
from typing import Any

from opspawn.client.call import Call, Json, delete, get, given, post, segment
from opspawn.client.reading import list_of, page_of
from opspawn.client.views import Page, View


class Thread(View):
    """A conversation, whose tasks run one after another."""

    thread_id: str
    name: str | None = None
    on_busy: str
    last_seq: int
    forked_from: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


class Message(View):
    """One task of a thread: what was asked, and what it answered."""

    seq: int
    task_id: str
    status: str
    asked: Any = None
    answered: Any = None
    created_at: datetime
    completed_at: datetime | None = None


def create(fields: Json) -> Call[Thread]:
    # The server knows no key here: a second one would be another thread.
    return post("/threads/", Thread.model_validate, given(fields), repeatable=False)


def thread(thread_id: str) -> Call[Thread]:
    return get(_path(thread_id), Thread.model_validate)


def threads(where: Json) -> Call[Page[Thread]]:
    return get("/threads/", page_of("threads", Thread), **where)


def messages(thread_id: str, after: int, limit: int) -> Call[list[Message]]:
    path = f"{_path(thread_id)}/messages"
    return get(path, list_of("messages", Message), after=after, limit=limit)


def fork(thread_id: str, after_seq: int, fields: Json) -> Call[Thread]:
    body = {"after_seq": after_seq, **given(fields)}
    path = f"{_path(thread_id)}/fork"
    return post(path, Thread.model_validate, body, repeatable=False)


def archive(thread_id: str) -> Call[Thread]:
    return delete(_path(thread_id), Thread.model_validate)


def _path(thread_id: str) -> str:
    return f"/threads/{segment(thread_id)}"
