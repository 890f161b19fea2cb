"""Named agents: what the server says of them, and the calls."""

from datetime import datetime
from typing import Any

from opspawn.client.call import Call, Json, delete, get, put, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class Agent(View):
    """One version of an agent."""

    name: str
    version: int
    definition: dict[str, Any]
    created_at: datetime
    created_by: str
    archived_at: datetime | None = None


def put_agent(name: str, definition: Json) -> Call[Agent]:
    return put(_path(name), Agent.model_validate, {"definition": definition})


def agent(name: str, version: int | None) -> Call[Agent]:
    path = _path(name) if version is None else f"{_path(name)}/versions/{version}"
    return get(path, Agent.model_validate)


def agents(where: Json) -> Call[Page[Agent]]:
    return get("/agents/", page_of("agents", Agent), **where)


def versions(name: str) -> Call[Page[Agent]]:
    return get(f"{_path(name)}/versions", page_of("agents", Agent))


def archive(name: str) -> Call[Agent]:
    return delete(_path(name), Agent.model_validate)


def _path(name: str) -> str:
    return f"/agents/{segment(name)}"
