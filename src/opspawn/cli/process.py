"""The life of a serving process: the first signal drains it, the second ends it at once."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

from opspawn.cli.exits import INTERRUPTED, CommandError
from opspawn.garbage import collect_seldom

Result = TypeVar("Result")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

#: Seconds that cancelled work may still take after the second signal.
_LAST_WORDS_S = 2.0


def say(line: str) -> None:
    """One line for the person who started the process; standard output stays for results."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def serve(main: Callable[[asyncio.Event], Awaitable[Result]]) -> Result:
    """Runs `main(stop)`; the first SIGINT or SIGTERM sets `stop`, the second cancels everything.

    Raises `CommandError` after the second signal.
    """
    # Imported here: commands that serve nothing need no faster loop.
    import uvloop

    collect_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_supervised(main))


async def _supervised(main: Callable[[asyncio.Event], Awaitable[Result]]) -> Result:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(main(stop))

    def on_signal() -> None:
        if not stop.is_set():
            say("Stopping: finishing what is under way (once more: stop at once).")
            stop.set()
            return
        say("Stopping at once.")
        work.cancel()
        # Work that ignores its cancellation must not keep the process.
        last = threading.Timer(_LAST_WORDS_S, os._exit, [INTERRUPTED])
        last.daemon = True
        last.start()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        return await work
    except asyncio.CancelledError:
        raise CommandError(
            "Stopped; unfinished tasks go on at the next start.", INTERRUPTED
        ) from None
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def attend(main: Coroutine[None, None, Result]) -> Result:
    """Runs what a person watches; Ctrl-C cancels it, at once and however often.

    By the loop's own handler, which wakes the loop. What asyncio installs by itself runs between two steps of
    Python: a signal just before the loop goes to sleep is heard when the server next says something.
    Raises `KeyboardInterrupt` when the cancelled work has no words of its own.
    """
    try:
        return asyncio.run(_cancelled_by_ctrl_c(main))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _cancelled_by_ctrl_c(main: Coroutine[None, None, Result]) -> Result:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(main)
    loop.add_signal_handler(signal.SIGINT, work.cancel)
    try:
        return await work
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[None]:
    """Outside of `serve`, SIGTERM ends a block like Ctrl-C: through its `finally` clauses."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
