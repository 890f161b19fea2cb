"""Rings in the background: at once for one, together for many."""

import asyncio

from ops_core.queue.bell import BackgroundBell


class Counting:
    """A bell that counts its rings; the second one is the last that is waited for."""

    def __init__(self) -> None:
        self.rings: list[tuple[str, str | None]] = []
        self.rang = asyncio.Semaphore(0)

    async def ring(self, queue: str, hint: str | None = None) -> None:
        self.rings.append((queue, hint))
        self.rang.release()

    async def check(self) -> None:
        """Always there."""


async def test_rings_that_come_after_one_share_the_next() -> None:
    """The first goes at once; a worker that is rung again takes all that came meanwhile."""
    bell = Counting()
    background = BackgroundBell(bell)
    running = asyncio.create_task(background.run())
    background.ring_soon("q", "first")
    await bell.rang.acquire()
    for number in range(100):
        background.ring_soon("q", f"task {number}")
        await asyncio.sleep(0)  # the publisher has its turn, and rests
    await bell.rang.acquire()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [("q", "first"), ("q", "task 99")] == bell.rings
