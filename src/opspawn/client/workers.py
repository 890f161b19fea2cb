"""Workers, for whoever operates the server: what it says of them, and the calls."""

from datetime import datetime

from opspawn.client.call import Call, Json, get, post, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class Worker(View):
    """A worker as it stood when the server answered: `state` is `alive`, `draining` or `lost`."""

    worker_id: str
    state: str
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    queues: list[str]
    alone: bool = False
    slots: int
    running: int
    owned_tasks: int
    started_at: datetime
    heartbeat_at: datetime
    drain_at: datetime | None = None


def workers(where: Json) -> Call[Page[Worker]]:
    return get("/workers/", page_of("workers", Worker), **where)


def worker(worker_id: str) -> Call[Worker]:
    return get(_path(worker_id), Worker.model_validate)


def drain(worker_id: str) -> Call[Worker]:
    return post(f"{_path(worker_id)}/drain", Worker.model_validate)


def _path(worker_id: str) -> str:
    return f"/workers/{segment(worker_id)}"
