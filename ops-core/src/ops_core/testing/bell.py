"""A bell that remembers who rang."""

import asyncio

from ops_core.errors import BrokerUnavailable


class RecordingBell:
    """`Bell` in memory. `rung` and `hints` are in order; set `broken` and it behaves like a dead broker."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.hints: list[str | None] = []
        self.broken = False
        self.heard = asyncio.Event()

    async def ring(self, queue: str, hint: str | None = None) -> None:
        await self.check()
        self.rung.append(queue)
        self.hints.append(hint)
        self.heard.set()

    async def check(self) -> None:
        if self.broken:
            raise BrokerUnavailable("this bell was broken by a test")
