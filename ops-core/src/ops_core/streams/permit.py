"""Whether who watches may still do so: keys are revoked and tenants disabled while streams go on."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from ops_core.errors import Unavailable

Ask: TypeAlias = Callable[[], Awaitable[object]]
"""Returns when the caller is let in. Raises `NotAuthenticated`, and what is `Unavailable`."""


class Permit:
    """Asks again every `every_s` seconds; without `ask` it holds for ever."""

    def __init__(self, ask: Ask | None, every_s: float) -> None:
        self._ask = ask
        self._every_s = every_s
        self.until = math.inf if ask is None else _now() + every_s
        """When it is to be checked, on the loop's clock."""

    async def check(self) -> None:
        """Raises `NotAuthenticated`. What is away ends no stream: it is asked the next time."""
        if self._ask is None or _now() < self.until:
            return
        self.until = _now() + self._every_s
        with suppress(Unavailable):
            await self._ask()


def _now() -> float:
    return asyncio.get_running_loop().time()
