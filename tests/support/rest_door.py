"""The real REST door over the in-memory store, in a thread: what the command line talks to in its tests.

A test plays the worker: it claims the task and says what happens in it.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn

from ops_core.api import create_app
from ops_core.log import NewEvent
from ops_core.moves import Move
from ops_core.ports import Append, Lease
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.task import Task, Usage
from ops_core.testing import MemoryStore, services_of
from opspawn.agents.contract import TASK_TYPES
from support.server_process import free_port

T = TypeVar("T")

WORKER = "the-test"

#: Seconds for the command under test to do what a test waits for.
WITHIN_S = 20.0


class RestDoor:
    """Opens and closes at will, always on the same port; the tasks stay."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = MemoryStore()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Future[None] | None = None

    def open(self) -> None:
        """Returns when requests are answered."""
        self._do(self._open())

    def close(self) -> None:
        """Returns when nobody listens any more."""
        self._do(self._close())

    def end(self) -> None:
        """Leaves nothing behind."""
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def claim(self) -> Task:
        """Waits for a task and becomes its owner."""
        return self._do(self._claim())

    def beat(self, worker: str, *queues: str) -> None:
        """Another worker is there, with one slot and nothing to do."""
        self._do(self.store.beat(worker, queues, slots=1, running=0))

    def append(self, task: Task, *events: NewEvent, usage: Usage | None = None) -> None:
        """A step of the task."""
        self._do(self.store.append([Append(_lease(task), events, usage or Usage())]))

    def settle(self, task: Task, move: Move) -> None:
        """The end of the task, for this time."""
        self._do(self.store.settle(_lease(task), move))

    def settle_and_end_streams(self, task: Task, move: Move) -> None:
        """The end of the task, which no stream tells any more: the door is another one from then on."""
        self._do(self._settle_and_end_streams(task, move))

    def tasks(self) -> list[Task]:
        """All tasks, the oldest first."""
        return [row.task for row in self.store._rows.values()]

    async def _open(self) -> None:
        self._services = self._new_services()
        self._app = create_app(self._services)
        config = uvicorn.Config(
            self._app, port=self.port, log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.ensure_future(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def _close(self) -> None:
        if self._server is not None and self._serving is not None:
            self._services.streams.close()
            self._server.should_exit = True
            await self._serving
        self._server = None

    async def _settle_and_end_streams(self, task: Task, move: Move) -> None:
        self._services.streams.close()
        await self.store.settle(_lease(task), move)
        self._services = self._new_services()
        self._app.state.services = self._services

    def _new_services(self) -> Services:
        tasks = TaskService(
            self.store, TASK_TYPES, lambda _queue, _task_id: None, self.store.agents
        )
        return services_of(tasks, self.store)

    async def _claim(self) -> Task:
        await self.store.beat(WORKER, ["default"], slots=1, running=0)
        while not (claimed := await self.store.claim(WORKER, ["default"], 1)):
            await asyncio.sleep(0.005)
        return claimed[0]

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN_S)


@contextmanager
def rest_door() -> Iterator[RestDoor]:
    door = RestDoor()
    door.open()
    try:
        yield door
    finally:
        door.end()


def _lease(task: Task) -> Lease:
    return Lease(task.tenant_id, task.task_id, WORKER, task.epoch)
