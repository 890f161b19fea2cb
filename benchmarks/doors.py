"""`make bench-doors`: what one process of each door does a second, beside the least that could be done.

One `opspawn api` and one `opspawn grpc`; beside them doors that do nothing (`noop_doors.py`), a bare FastAPI
and asyncpg application with the same statements and a commit each (`bare_door.py`), and Dramatiq's confirmed
send. They take turns within a round. Prints a table, writes JSON. `--help` shows the options.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
# Last, so that an installed package is never hidden by a folder of its name.
sys.path += [str(ROOT), str(ROOT / "tests")]

import uvloop  # noqa: E402  # needs the path, as the others
from benchmarks.doors_site import (  # noqa: E402
    BARE,
    NOOP,
    NOOP_RPC,
    OURS,
    OURS_RPC,
    Site,
    analyze,
    site,
)
from benchmarks.dramatiq_worker import noop_actor, plain_broker  # noqa: E402
from benchmarks.pounding import pound, pound_rpc  # noqa: E402
from benchmarks.report import Report, say  # noqa: E402
from benchmarks.results import Results  # noqa: E402

#: Requests under way at once, each on a connection of its own (REST) or all on one (gRPC): enough to keep a
#: door busy while what it accepts is written to disk. The same for every door.
IN_FLIGHT: Final = 64

#: Requests for the latency of a door that has nothing else to do.
ALONE: Final = 200

DRAMATIQ = "dramatiq"

SUBMIT, GET = f"submit, {IN_FLIGHT} in flight", f"get, {IN_FLIGHT} in flight"
SUBMIT_ALONE, SENDS = "submit, one at a time", "confirmed sends, 1 thread"

#: Each with the one that it is divided by.
COMPARED: Final = [
    ((SUBMIT, OURS), (SUBMIT, NOOP)),
    ((SUBMIT, OURS), (SENDS, DRAMATIQ)),
    ((SUBMIT, OURS), (SUBMIT, BARE)),
    ((SUBMIT, OURS_RPC), (SUBMIT, NOOP_RPC)),
    ((SUBMIT, OURS_RPC), (SENDS, DRAMATIQ)),
    ((GET, OURS), (GET, BARE)),
]

_BODY: Final = json.dumps(
    {"task_type": "agent_run", "input_data": {"goal": "What is 17 * 23?"}, "name": "n"}
).encode()


def main() -> int:
    options = _options()
    report = Report("doors", options)
    with site(say) as found:
        for number in range(options.rounds + 1):
            say(f"round {number} of {options.rounds}" if number else "warming up")
            _round(found, options.requests, report.results if number else Results())
            if not number:
                asyncio.run(analyze(found.database_url))
    _add_shares(report.results)
    return report.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/doors.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4000, help="of each kind, in a round")
    return parser.parse_args()


def _round(found: Site, count: int, results: Results) -> None:
    for door in (NOOP, OURS, BARE):
        ids = _rest(SUBMIT, door, found.ports[door], [_post() for _ in range(count)], results)
        if door != NOOP:
            gets = [_read(ids[number % len(ids)]) for number in range(count)]
            _rest(GET, door, found.ports[door], gets, results)
    alone = [_post() for _ in range(ALONE)]
    _rest(SUBMIT_ALONE, OURS, found.ports[OURS], alone, results, in_flight=1)
    for door in (NOOP_RPC, OURS_RPC):
        took_s, took = uvloop.run(pound_rpc(found.ports[door], count, IN_FLIGHT))
        _add(SUBMIT, door, took_s, took, results)
    results.add(SENDS, DRAMATIQ, "messages/s", _sends(found.rabbitmq_url, count // 2))


def _rest(
    what: str,
    door: str,
    port: int,
    requests: list[bytes],
    results: Results,
    *,
    in_flight: int = IN_FLIGHT,
) -> list[str]:
    """The ids in the answers."""
    took_s, connections = uvloop.run(pound(port, requests, in_flight))
    _add(what, door, took_s, [took for one in connections for took in one.took], results)
    return [json.loads(body)["task_id"] for one in connections for body in one.bodies]


def _add(what: str, door: str, took_s: float, took: list[float], results: Results) -> None:
    results.add(what, door, "requests/s", len(took) / took_s)
    results.add_percentiles(what, door, took)


def _post() -> bytes:
    head = (
        "POST /api/v1/tasks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {uuid4()}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    )
    return head.encode() + _BODY


def _read(task_id: str) -> bytes:
    return f"GET /api/v1/tasks/{task_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _sends(rabbitmq_url: str, count: int) -> float:
    """Messages a second that RabbitMQ has confirmed, one after the other, as `send` does it."""
    broker = plain_broker(rabbitmq_url)
    try:
        actor = noop_actor(broker, lambda: None)
        actor.send()
        began = time.perf_counter()
        for _ in range(count):
            actor.send()
        return count / (time.perf_counter() - began)
    finally:
        broker.close()


def _add_shares(results: Results) -> None:
    """What our doors reach of the others, round by round."""
    for ours, other in COMPARED:
        mine, theirs = results.get(*ours), results.get(*other)
        title = f"{ours[0]} ÷ {other[1]}" + (f"'s {other[0]}" if other[0] != ours[0] else "")
        if mine and theirs:
            for a, b in zip(mine.values, theirs.values, strict=True):
                results.add(title, ours[1], "×", a / b)


if __name__ == "__main__":
    sys.exit(main())
