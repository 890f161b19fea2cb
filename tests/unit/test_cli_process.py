"""Ctrl-C while a person watches: heard, and answered with words where there are any."""

import asyncio
import os
import signal

import pytest

from opspawn.cli.exits import INTERRUPTED, CommandError
from opspawn.cli.process import attend

pytestmark = pytest.mark.unit


async def _interrupted() -> None:
    """Waits for ever, as a stream that says nothing; Ctrl-C comes before it does."""
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()


def test_ctrl_c_cancels_what_is_watched() -> None:
    """It ends the command as it would end any."""
    with pytest.raises(KeyboardInterrupt):
        attend(_interrupted())


def test_what_is_cancelled_may_say_how_to_go_on() -> None:
    """Its words are the command's last."""

    async def main() -> None:
        try:
            await _interrupted()
        except asyncio.CancelledError:
            raise CommandError("To go on: …", INTERRUPTED) from None

    with pytest.raises(CommandError, match="To go on"):
        attend(main())


def test_the_loop_itself_hears_ctrl_c() -> None:
    """Python's own handler is not called while the loop sleeps, if the signal came just before."""

    async def main() -> bool:
        return bool(asyncio.get_running_loop().remove_signal_handler(signal.SIGINT))

    assert attend(main())
