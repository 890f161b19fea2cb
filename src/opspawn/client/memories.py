"""What agents remember: what the server says of it, and the calls."""

from datetime import datetime
from typing import Any, TypeAlias

from pydantic import Field

from opspawn.client.call import Call, Json, forget, get, given, post, segment
from opspawn.client.reading import list_of, page_of
from opspawn.client.views import Page, View

Scalar: TypeAlias = str | int | float | bool


class Memory(View):
    """Something remembered. `score` is there when it was searched for."""

    memory_id: str
    agent: str
    user: str | None = None
    text: str
    source: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    saved_at: datetime
    score: float | None = None


def add(text: str, fields: Json) -> Call[Memory]:
    # The same text once more is the same memory.
    return post("/memories/", Memory.model_validate, {"text": text, **given(fields)})


def memory(memory_id: str) -> Call[Memory]:
    return get(_path(memory_id), Memory.model_validate)


def memories(where: Json) -> Call[Page[Memory]]:
    return get("/memories/", page_of("memories", Memory), **where)


def search(query: str, where: Json) -> Call[list[Memory]]:
    return get("/memories/", list_of("memories", Memory), query=query, **where)


def remove(memory_id: str) -> Call[None]:
    return forget(_path(memory_id))


def forget_all(agent: str | None, user: str | None) -> Call[int]:
    return Call(
        method="DELETE",
        path="/memories/",
        read=_forgotten,
        params=given({"agent": agent, "user": user}),
        repeatable=True,
    )


def _forgotten(body: Json) -> int:
    return int(body["forgotten"])


def _path(memory_id: str) -> str:
    return f"/memories/{segment(memory_id)}"
