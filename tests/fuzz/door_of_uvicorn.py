"""An application behind a real socket, in the loop that is running."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from opspawn.doors import serve_rest


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """Its URL."""
    stop = asyncio.Event()
    # As `opspawn.doors.listen` opens one: else each answer waits 40 ms for an acknowledgement.
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving = asyncio.create_task(serve_rest(app, door, stop))
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        stop.set()
        await serving
