"""Tools that a test runs in another process, which has to be able to import them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

from pydantic import BaseModel

from agentkit.errors import FailedBeforeEffect, ToolFailed
from agentkit.tools import Subprocess, tool

FOREVER_S = 3600


class Trip(BaseModel):
    """A trip."""

    day: date
    stops: list[str]


@tool(effect="pure", isolation="subprocess")
def describe(trip: Trip, nights: int = 1) -> dict[str, object]:
    """Describe the trip."""
    print("what a tool prints is not its result")  # noqa: T201
    return {"year": trip.day.year, "stops": trip.stops, "nights": nights, "pid": os.getpid()}


@tool(effect="pure", isolation="subprocess")
async def shout(text: str) -> str:
    """Shout."""
    return text.upper()


@tool(effect="pure", isolation="subprocess", max_output=5)
def talk(length: int) -> str:
    """Say a lot."""
    return "é" * length


@tool(effect="pure", isolation="subprocess", max_output=1_000)
def forge(line: str) -> str:
    """Write a result of one's own, wherever it may be read."""
    for opened in list(Path("/proc/self/fd").iterdir()):
        if int(opened.name) > 2 and os.path.realpath(opened).rpartition("/")[2].startswith("pipe:"):
            with suppress(OSError):  # the end that is read
                os.write(int(opened.name), line.encode() + b"\n")
    return "the true one"


@tool(effect="pure", isolation="subprocess")
def fail(how: str) -> str:
    """Fail."""
    match how:
        case "raise":
            raise ConnectionError("reset")
        case "no effect":
            raise FailedBeforeEffect("no paper")
        case "own words":
            raise ToolFailed("out of stock")
        case "exit":
            sys.exit(3)
        case "die":
            print("about to die")  # noqa: T201
            os.kill(os.getpid(), signal.SIGKILL)
        case "flood":
            print("x" * 1_000_000, file=sys.stderr)  # noqa: T201
            os._exit(4)
    return "not reached"


@tool(effect="pure", isolation=Subprocess(env={"GIVEN": "yes"}))
def surroundings() -> dict[str, object]:
    """Tell what there is around."""
    Path("left-behind").write_text("1")
    return {"environment": dict(os.environ), "folder": str(Path.cwd()), "stdin": sys.stdin.read()}


@tool(effect="pure", isolation=Subprocess(max_memory_bytes=1 << 30))
def hoard() -> int:
    """Take two gigabytes."""
    return len(bytearray(2 << 30))


def stay(pids: str) -> str:
    """Start a child, and a detached one with a child of its own; never return.

    Their process ids are written to the file before.
    """
    child = subprocess.Popen(["sleep", str(FOREVER_S)])
    detached = (
        "import os, subprocess, sys, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "below = subprocess.Popen(['sleep', '3600'], stdout=subprocess.DEVNULL)\n"
        "print(os.getpid(), below.pid, flush=True)\n"
        "os.close(1)\n"
        "time.sleep(3600)\n"
    )
    command = [sys.executable, "-c", detached]
    below = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    unfinished = Path(pids + ".new")
    unfinished.write_text(f"{os.getppid()} {os.getpid()} {child.pid} {below}")
    unfinished.rename(pids)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(FOREVER_S)
    return "not reached"


@tool(effect="pure", isolation="subprocess")
def leave_behind(pids: str) -> str:
    """Return, and leave a detached process behind."""
    child = subprocess.Popen(["sleep", str(FOREVER_S)], start_new_session=True)
    Path(pids).write_text(f"{os.getpid()} {child.pid}")
    return "left"


stay_a_second = tool(name="stay", effect="pure", isolation="subprocess", timeout_s=5.0)(stay)
stay_unsafe = tool(name="stay", isolation="subprocess", timeout_s=5.0)(stay)
stay_long = tool(name="stay", effect="pure", isolation="subprocess", timeout_s=FOREVER_S)(stay)
