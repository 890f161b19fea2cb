"""Tools of an operator's own, as a file that a test puts where its workers find it."""

from pathlib import Path

#: Each tool says in a file of the worker's folder that it was called, and comes back while no file `hold` is
#: there. What it was cut off in, it writes down with the time.
MODULE = '''
import asyncio
import os
import signal
import time
from pathlib import Path

from agentkit.tools import tool


async def _act(name: str) -> str:
    with Path(f"{name}.ledger").open("a") as ledger:
        ledger.write("called\\n")
    try:
        while Path("hold").exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        Path(f"{name}.cut_off").write_text(str(time.time()))
        raise
    return f"{name} is done"


@tool
async def pay(amount: int) -> str:
    """Pay once."""
    return await _act("pay")


@tool(effect="pure")
async def look() -> str:
    """Look for something."""
    return await _act("look")


@tool(effect="pure")
async def die() -> str:
    """Take the whole process along."""
    with Path("die.ledger").open("a") as ledger:
        ledger.write(f"called by {os.getpid()}\\n")
    os.kill(os.getpid(), signal.SIGKILL)
    return "it cannot come to this"


tools = [pay, look, die]
'''


class AgentTools:
    """The folder of workers that have these tools."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "agent_tools.py").write_text(MODULE)
        self.environment = {"OPSPAWN_TOOLS": "agent_tools:tools", "PYTHONPATH": str(folder)}

    def reset(self) -> None:
        for name in ("pay", "look", "die"):
            for kind in ("ledger", "cut_off"):
                (self._folder / f"{name}.{kind}").unlink(missing_ok=True)
        self.let_go()

    def hold(self) -> None:
        """Calls do not come back until `let_go`."""
        (self._folder / "hold").touch()

    def let_go(self) -> None:
        (self._folder / "hold").unlink(missing_ok=True)

    def calls(self, name: str) -> int:
        """How often the tool was called, in any process."""
        ledger = self._folder / f"{name}.ledger"
        return ledger.read_text().count("called") if ledger.exists() else 0

    def cut_off_at(self, name: str) -> float | None:
        """When a call was cancelled, in seconds since the epoch."""
        written = self._folder / f"{name}.cut_off"
        text = written.read_text() if written.exists() else ""
        return float(text) if text else None
