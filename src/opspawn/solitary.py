"""The solitary process of a worker: `opspawn worker --alone`, which runs the suspects.

It has a session of its own, so that neither Ctrl-C nor the end of its worker ends it: a suspect that dies
with it may be taken for a poison. A worker that stops in order asks it to hand over, as it hands over itself.
"""

import asyncio
import subprocess
import sys
from typing import Final

import structlog

from ops_core.errors import CannotIsolate
from opspawn.settings import Settings, environment

log = structlog.get_logger(__name__)

#: How often the process is looked at; asyncio's own way to wait would kill it with the loop. Seconds.
LOOK_S: Final = 0.1

#: What a drain may take beyond its grace: handlers unwind, tasks are settled, connections closed. Seconds.
UNWIND_S: Final = 10.0

#: `-P`: as the console script does, without the current folder on the path.
COMMAND: Final = (
    sys.executable,
    "-P",
    "-c",
    "from opspawn.cli import main; main()",
    "worker",
    "--alone",
)


class SolitaryProcess:
    """Starts it and watches it; at most one at a time.

    The URLs lead to the database of the worker, and travel in the environment: they may hold a password.
    """

    def __init__(self, settings: Settings, url: str, direct_url: str) -> None:
        self._grace_s = settings.drain_grace_s
        self._environment = environment(
            DATABASE_URL=url,
            OPSPAWN_DATABASE_DIRECT_URL=direct_url,
            OPSPAWN_LOG_LEVEL=settings.log_level,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    async def run(self) -> None:
        """As `ops_core.queue.isolation.Isolate`."""
        if self._stopping:
            return
        try:
            self._process = process = subprocess.Popen(  # noqa: S603, ASYNC220  # ours; returns at once
                COMMAND, stdin=subprocess.DEVNULL, env=self._environment, start_new_session=True
            )
        except OSError as error:
            raise CannotIsolate(f"no process can be started: {error.strerror}") from error
        log.info("suspects run alone", pid=process.pid)
        code = await _ended(process)
        if code < 0:
            log.warning("a process that ran suspects was killed", pid=process.pid, signal=-code)
        elif code > 0 and not self._stopping:
            raise CannotIsolate(f"the process that runs suspects ended with exit code {code}")

    async def hand_over(self, stop: asyncio.Event) -> None:
        """Once `stop` is set, asks the process to drain and waits for that, within the drain grace."""
        await stop.wait()
        self._stopping = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self._grace_s + UNWIND_S):
                await _ended(process)
        except TimeoutError:
            log.warning("the process that runs suspects goes on by itself", pid=process.pid)


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """The exit code, once there is one. Cancelled, it leaves the process alone."""
    while (code := process.poll()) is None:
        await asyncio.sleep(LOOK_S)
    return code
