"""Tools with an effect outside of Opspawn: a line in a file, on disk before the call returns.

`environment` gives them to a worker under test. The file is named by `TEST_LEDGER`; what is in it was
done, whatever any database says.
"""

import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from agentkit import RunContext
from agentkit.tools import tool
from support.model_server import Call

#: The environment variable that names the file.
LEDGER = "TEST_LEDGER"

#: The longest rest before and after the effect, so that a kill hits in the middle of a call. Seconds.
REST_S = 0.02


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of the ledger."""

    tool: str
    goal: str
    entry: str
    key: str
    """The idempotency key of the call; an unsafe one has none, for it is never made twice."""


@tool(effect="unsafe")
def record_once(goal: str, entry: str) -> str:
    """Writes an entry into the ledger. It must not be written twice."""
    return _record(Effect("record_once", goal, entry, ""))


@tool(effect="idempotent")
def record_keyed(context: RunContext, goal: str, entry: str) -> str:
    """Writes an entry into the ledger. Writing it twice with one key does no harm."""
    return _record(Effect("record_keyed", goal, entry, context.idempotency_key))


def _record(effect: Effect) -> str:
    line = json.dumps(asdict(effect)) + "\n"
    time.sleep(random.uniform(0, REST_S))
    # Opened for each line: O_APPEND makes the lines of many processes whole.
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
        os.fsync(file)
    finally:
        os.close(file)
    time.sleep(random.uniform(0, REST_S))
    return f"{effect.entry} is written"


def effects(ledger: Path) -> list[Effect]:
    """What was done, in order."""
    if not ledger.exists():
        return []
    return [Effect(**json.loads(line)) for line in ledger.read_text().splitlines()]


#: What an agent under test may use, and what its model does with it.
NAMES = ("calculator", "record_once", "record_keyed")
SCRIPT = (
    Call("calculator", {"expression": "17 * 23"}),
    Call("record_once", {"goal": "{goal}", "entry": "first"}),
    Call("record_keyed", {"goal": "{goal}", "entry": "second"}),
    Call("record_once", {"goal": "{goal}", "entry": "third"}),
)


def environment(ledger: Path) -> Mapping[str, str]:
    """What gives a worker these tools."""
    here = Path(__file__).resolve().parents[1]
    return {
        "OPSPAWN_TOOLS": "support.ledger_tools:record_once,support.ledger_tools:record_keyed",
        "PYTHONPATH": str(here),
        LEDGER: str(ledger),
    }
