"""What operators see of workers."""

from typing import Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.fleet import SeenWorker, WorkerPage, WorkerState


class WorkerView(BaseModel):
    """A worker, as it stands in the store."""

    worker_id: str = Field(examples=["host-7-0123abcd"])
    state: WorkerState = Field(
        description="`lost`: it has not beaten for longer than OPSPAWN_HEARTBEAT_TTL_S."
    )
    host: str | None
    pid: int | None
    version: str | None
    queues: list[str] = Field(description="Empty once it has said that it leaves.")
    alone: bool = Field(
        description="It runs one task at a time, and only those under which workers have died."
    )
    slots: int = Field(description="How many tasks it runs at most.")
    running: int = Field(description="How many it said that it runs, with its last heartbeat.")
    owned_tasks: int = Field(description="How many are its own, of all tenants.")
    started_at: Time
    heartbeat_at: Time
    drain_at: Time | None = Field(description="Since when an operator wants it to drain.")

    @classmethod
    def of(cls, worker: SeenWorker) -> Self:
        return cls(
            worker_id=worker.worker_id,
            state=worker.state,
            host=worker.host,
            pid=worker.pid,
            version=worker.version,
            queues=list(worker.queues),
            alone=worker.alone,
            slots=worker.slots,
            running=worker.running,
            owned_tasks=worker.owned_tasks,
            started_at=worker.started_at,
            heartbeat_at=worker.heartbeat_at,
            drain_at=worker.drain_at,
        )


class WorkerPageView(BaseModel):
    """Workers, newest first."""

    workers: list[WorkerView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: WorkerPage) -> Self:
        workers = [WorkerView.of(worker) for worker in page.workers]
        return cls(workers=workers, next_cursor=page.next_cursor)
