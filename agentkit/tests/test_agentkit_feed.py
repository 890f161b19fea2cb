"""A feed gives what is told inside of awaited work to whoever listens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from inspect import CORO_CLOSED, getcoroutinestate

import pytest

from agentkit.events import Event, MemoryUsed
from agentkit.feed import Feed


def told(number: int) -> Event:
    return MemoryUsed(number, "summary")


async def test_what_is_told_is_heard_in_order() -> None:
    """Before, while and at the end of the work, each event once."""
    feed = Feed()
    feed.tell(told(1))

    async def work() -> None:
        feed.tell(told(2))
        await asyncio.sleep(0)
        feed.tell(told(3))

    assert [told(1), told(2), told(3)] == [event async for event in feed.during(work())]


async def test_an_event_is_heard_while_the_work_goes_on() -> None:
    """The work may wait for what its listener does."""
    feed, heard = Feed(), asyncio.Event()

    async def work() -> None:
        feed.tell(told(1))
        await heard.wait()

    async for _ in feed.during(work()):
        heard.set()


async def test_what_the_work_raises_comes_after_what_it_told() -> None:
    """Nothing is lost to the exception."""
    feed, heard = Feed(), list[Event]()

    async def work() -> None:
        feed.tell(told(1))
        raise ValueError("so it is")

    async def listen() -> None:
        async for event in feed.during(work()):
            heard.append(event)

    with pytest.raises(ValueError, match="so it is"):
        await listen()
    assert [told(1)] == heard


async def test_leaving_early_ends_the_work_first() -> None:
    """What it does when it is cancelled is done before the listener goes on."""
    feed, ended = Feed(), list[str]()

    async def work() -> None:
        feed.tell(told(1))
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    async with aclosing(feed.during(work())) as events:
        async for _ in events:
            break
    assert ["work"] == ended


async def test_work_that_is_cancelled_twice_has_ended_too() -> None:
    """The second time cuts short what it does at its end, and leaves no task behind."""
    feed, begun, ending, ended = Feed(), asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append("work")

    async def listen() -> None:
        async for _ in feed.during(work()):
            raise AssertionError("nothing is told")

    listening = asyncio.create_task(listen())
    for moment in (begun, ending):
        await moment.wait()
        listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert (["work"], {asyncio.current_task()}) == (ended, asyncio.all_tasks())


class Stop(BaseException):
    """Of a journal whose run must wait."""


async def test_what_cancelled_work_raises_is_heard() -> None:
    """A journal's own word says more than the cancellation."""
    feed, begun = Feed(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Stop from None

    async def listen() -> None:
        async for _ in feed.during(work()):
            raise AssertionError("nothing is told")

    listening = asyncio.create_task(listen())
    await begun.wait()
    listening.cancel()
    with pytest.raises(Stop):
        await listening


async def test_work_that_keeps_a_cancellation_to_itself_ends_its_run() -> None:
    """Also where it has no task of its own: whoever cancelled a run does not wait for its next steps."""
    began, feed = asyncio.Event(), Feed()

    async def work() -> None:
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()

    async def listen() -> list[Event]:
        return [event async for event in feed.during(work(), live=False)]

    listening = asyncio.create_task(listen())
    await began.wait()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def test_what_is_heard_afterwards_is_in_order() -> None:
    """Nothing while the work goes on, then all of it, and what is told while that is heard."""
    feed, heard = Feed(), list[Event]()

    async def work() -> None:
        feed.tell(told(1))
        await asyncio.sleep(0)  # one turn of the loop, in which a live feed would be heard
        assert [] == heard
        feed.tell(told(2))

    async for event in feed.during(work(), live=False):
        heard.append(event)
        if event == told(2):
            feed.tell(told(3))
    assert [told(1), told(2), told(3)] == heard


async def test_work_that_nobody_waits_for_is_not_done() -> None:
    """A listener that leaves at once leaves no coroutine behind that was never awaited."""
    feed, done = Feed(), list[str]()

    async def work() -> None:
        done.append("work")

    unheard = work()
    async with aclosing(feed.during(unheard, live=False)):
        pass
    assert ([], CORO_CLOSED) == (done, getcoroutinestate(unheard))
