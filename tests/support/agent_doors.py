"""The application of a REST process, with the doors beside it, over the in-memory store."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops_core.service import TaskService
from ops_core.testing import MemoryStore, MemoryWebhooks, services_of
from opspawn.agent_doors import rest_app
from opspawn.agents.contract import TASK_TYPES
from opspawn.doors import serve_rest
from opspawn.settings import Settings


@asynccontextmanager
async def doors_over(
    store: MemoryStore, webhooks: MemoryWebhooks | None = None
) -> AsyncIterator[str]:
    """Where it is."""
    stop = asyncio.Event()
    tasks = TaskService(store, TASK_TYPES, lambda _queue, _task_id: None)
    services = services_of(tasks, store, webhooks=webhooks)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = rest_app(Settings(), services, {})
        serving = asyncio.create_task(serve_rest(app, listening, stop))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            await serving
