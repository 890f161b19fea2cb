"""Whether what a door depends on works: one answer for `/ready` and for gRPC's health service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from ops_core.errors import Unavailable

log = structlog.get_logger(__name__)

#: A part that has not answered by then is down for whoever waits. Seconds.
PROBE_TIMEOUT_S: Final = 2.0

Probe = Callable[[], Awaitable[object]]
"""Raises when its part does not work; what it returns is not looked at."""


async def readiness(probes: Mapping[str, Probe]) -> dict[str, bool]:
    """Runs all probes at once: the name of each part, and whether it works."""
    answers = await asyncio.gather(*(_works(name, probe) for name, probe in probes.items()))
    return dict(zip(probes, answers, strict=True))


async def _works(name: str, probe: Probe) -> bool:
    """Why a part is down goes to the log only: the reason may name hosts and users."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await probe()
    except (Unavailable, OSError, TimeoutError) as error:
        log.warning("not_ready", part=name, reason=f"{type(error).__name__}: {error}")
        return False
    except Exception:
        # Protects the answer of the other parts: a probe with a bug is a part that may not work.
        log.exception("not_ready", part=name)
        return False
    return True
