"""Where suspects run: in a process of their own, which a worker starts when its heartbeat tells of them.

A suspect is a task under which workers have died. It may well kill the process that runs it
(`ops_core.queue.alone`); nobody else is then in its way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ops_core.errors import CannotIsolate

log = structlog.get_logger(__name__)

Isolate = Callable[[], Awaitable[None]]
"""Starts a process that runs suspects one at a time, and returns when it has ended, however it did.

Raises `CannotIsolate` when it could not start. When the caller is cancelled the process lives on: a suspect
that dies with it would be taken for a poison.
"""

#: Rest before a process that could not start is tried again: at first, and at most. Seconds.
REST_S: Final = 1.0
LONGEST_REST_S: Final = 60.0


class Isolation:
    """Starts the process whenever it is wanted, one at a time."""

    def __init__(self, isolate: Isolate) -> None:
        self._isolate = isolate
        self._wanted = asyncio.Event()

    def want(self) -> None:
        """Suspects wait. Returns at once."""
        self._wanted.set()

    async def run(self) -> None:
        """Works until cancelled."""
        rest_s = REST_S
        while True:
            await self._wanted.wait()
            try:
                await self._isolate()
                rest_s = REST_S
            except CannotIsolate as error:
                log.warning("suspects wait", error=str(error), again_in_s=rest_s)
                await asyncio.sleep(rest_s)
                rest_s = min(rest_s * 2, LONGEST_REST_S)
            # Without this task the worker would live on, and suspects wait for ever.
            except Exception:
                log.exception("suspects wait", again_in_s=LONGEST_REST_S)
                await asyncio.sleep(LONGEST_REST_S)
            # If more of them wait, or came meanwhile, the next heartbeat says so.
            self._wanted.clear()
