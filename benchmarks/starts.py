"""Tells the benchmark when the code of a task starts, in whatever process it runs.

A worker writes the monotonic time (one clock for all processes of a machine) into a named pipe as the first
thing that a task's code does: about 2 µs, the same for every system that is compared.
"""

import asyncio
import contextlib
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Where a worker finds the path of its pipe.
VARIABLE = "BENCH_STARTS"

_TIME = struct.Struct("d")


class Reporter:
    """The worker's end."""

    def __init__(self) -> None:
        self._pipe = os.open(os.environ[VARIABLE], os.O_WRONLY)

    def started(self) -> None:
        os.write(self._pipe, _TIME.pack(time.monotonic()))


class Starts:
    """The benchmark's end: the times at which tasks started since `clear`, as they come in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times: list[float] = []
        # Open for writing too: the pipe then never looks closed while no worker runs.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._more = asyncio.Event()

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.path)}

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._read()
        self.times = []

    async def wait_for(self, count: int, timeout_s: float) -> list[float]:
        """The first `count` times. Raises `TimeoutError`."""
        loop = asyncio.get_running_loop()
        self._more = asyncio.Event()  # a new one: each event loop needs its own
        loop.add_reader(self._pipe, self._read)
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.times) < count:
                    self._more.clear()
                    await self._more.wait()
        finally:
            loop.remove_reader(self._pipe)
        return self.times[:count]

    def _read(self) -> None:
        # Writes of eight bytes to a pipe are whole, and so are reads of a multiple of eight.
        found = os.read(self._pipe, 1 << 16)
        self.times += [moment for (moment,) in _TIME.iter_unpack(found)]
        self._more.set()

    def close(self) -> None:
        os.close(self._pipe)


@contextmanager
def starts() -> Iterator[Starts]:
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder:
        path = Path(folder) / "starts"
        os.mkfifo(path)
        pipe = Starts(path)
        try:
            yield pipe
        finally:
            pipe.close()
