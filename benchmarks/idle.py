"""One task at a time on an idle system: how long it may take, and what runs before it is measured."""

import asyncio
from typing import Final

from benchmarks.rest import Rest
from benchmarks.systems import Opspawn

#: A task that takes longer on an idle system is a defect, not a measurement. Seconds.
TIMEOUT_S: Final = 30.0

#: Rest before each task: what the one before left (acknowledgements, commits) is then over. Seconds.
IDLE_S: Final = 0.005

#: Tasks of each type after which all processes are there and connected.
_FEW: Final = 20


async def warm_up(system: Opspawn) -> None:
    """Returns when the system has done a few tasks of each type."""
    async with Rest.open(system.api_port) as rest:
        for kind in ("noop", "five_steps"):
            for _ in range(_FEW):
                await asyncio.sleep(IDLE_S)
                await rest.run(kind, "warm-up")
    system.starts.clear()
