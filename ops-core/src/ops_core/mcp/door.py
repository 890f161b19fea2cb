"""`/mcp`: the door in the ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ops_core.api.admission import admit
from ops_core.api.visitors import Visitors
from ops_core.mcp.desk import Desk

PATH: Final = "/mcp"


class McpDoor:
    """Streamable HTTP. Use it within `running`: what it started is ended there."""

    def __init__(
        self,
        desk: Desk,
        *,
        visitors: Visitors | None = None,
        max_body_bytes: int = 1_048_576,
        version: str = "0.1.0",
    ) -> None:
        self._desk = desk
        self._visitors = visitors or Visitors()
        self._max_body_bytes = max_body_bytes
        self._version = version
        self._opening: asyncio.Task[Any] | None = None
        self._serving: asyncio.Task[None] | None = None

    def route(self) -> Route:
        """For the application that it is a part of."""
        return Route(PATH, self, include_in_schema=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As long as it may be used."""
        try:
            yield
        finally:
            begun = [task for task in (self._opening, self._serving) if task is not None]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._visitors.check(Headers(scope=scope))
        # Clients look at the status of the first answer for what to do. Each tool asks for its own.
        await admit(Request(scope), "get_task")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        # Shielded: the one who came first may leave, and others wait for the same.
        manager = await asyncio.shield(self._opening)
        await manager.handle_request(scope, receive, send)

    async def _open(self) -> Any:
        """The first request imports the SDK, on a thread: that takes a second."""
        manager = await asyncio.to_thread(self._made)
        ready = asyncio.Event()
        self._serving = asyncio.create_task(_serve(manager, ready))
        await ready.wait()
        return manager

    def _made(self) -> Any:
        from ops_core.mcp.server import manager_of  # the SDK, which nobody else needs

        return manager_of(self._desk, version=self._version, max_body_bytes=self._max_body_bytes)


async def _serve(manager: Any, ready: asyncio.Event) -> None:
    # In a task of its own: its task group must end where it began.
    async with manager.run():
        ready.set()
        await asyncio.Event().wait()
