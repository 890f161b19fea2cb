"""The life of a process that runs suspects: one at a time, until there are none left."""

import asyncio
from typing import Final

from ops_core.queue.worker import Worker

#: How long it waits for another suspect before it ends: starting a new process takes as long. Seconds.
LINGER_S: Final = 3.0

#: It ends when the store has been away for so long: nobody may be left to end it. Seconds.
AWAY_S: Final = 60.0

_LOOK_S: Final = 0.1


async def run_alone(
    worker: Worker, stop: asyncio.Event, *, linger_s: float = LINGER_S, away_s: float = AWAY_S
) -> None:
    """Runs a worker whose profile is `alone` until it has nothing to do, or `stop` is set; then drains it."""

    async def watch() -> None:
        while worker.idle_s < linger_s and worker.silent_s < away_s:
            await asyncio.sleep(_LOOK_S)
        stop.set()

    watching = asyncio.create_task(watch())
    try:
        await worker.run(stop)
    finally:
        watching.cancel()
