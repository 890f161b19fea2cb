"""How each system is set up: what a report shows beside its figures."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks import reach_doors
from benchmarks import reach_steps as steps
from benchmarks.dramatiq_peer import THREADS
from benchmarks.peers.environment import DURABLE, QUEUES, RESTATE, Environment

#: By system, in words; `{}` is its version. The values stand in the programs of this folder.
_STEPS: Final = {
    steps.OURS: (
        "api, grpc, dispatcher and one worker process with their defaults (250 slots), PostgreSQL with fsync "
        "and synchronous_commit, RabbitMQ with confirms; "
        f"{steps.IN_FLIGHT} requests in flight over REST"
    ),
    steps.RESTATE: (
        "server {}, its log synced at each write, 4 partitions; one service on hypercorn, called over "
        f"HTTP/2; {steps.RESTATE_IN_FLIGHT} requests in flight"
    ),
    steps.LANGGRAPH: (
        'langgraph {}, AsyncPostgresSaver over a pool of 32, durability="sync"; called in its own process, '
        f"{steps.LANGGRAPH_IN_FLIGHT} graphs at once"
    ),
    steps.DBOS: (
        "dbos {}, one queue, polled every 0.1 s, steps that are plain functions; called in its own process, "
        f"{steps.DBOS_IN_FLIGHT} workflows at once"
    ),
    steps.DRAMATIQ: (
        f"one worker process, {THREADS} threads, an async actor, a durable queue, confirms; keeps nothing"
    ),
    "celery": (
        "celery {}, prefork with 2 processes, no bound of messages ahead, a durable queue, confirms; keeps "
        "nothing"
    ),
    "taskiq": (
        "taskiq {} over aio-pika, one worker process, 1,000 tasks at once, a durable classic queue, "
        "confirms; keeps nothing"
    ),
}
_WRITER: Final = {
    "opspawn, without guards, a commit each": (
        "the step writer in this process, on PostgreSQL with fsync and synchronous_commit"
    )
}
_DOORS: Final = {
    "opspawn, no-op": (
        f"one process of each door, {reach_doors.IN_FLIGHT} requests in flight, nobody takes the tasks; "
        "no-op: FastAPI with pydantic on uvicorn, and grpc.aio, which store nothing"
    ),
    steps.DRAMATIQ: "confirmed sends of one thread, one after another",
}
_AGENTS: Final = {
    "agentkit": "agents of the OpenAI SDK over aiohttp, as agentkit sets it up; a scripted model over HTTP",
    "default httpx": "the OpenAI SDK as it comes, one call an agent",
}
_OF_PART: Final = {
    "steps": _STEPS,
    "writer": _WRITER,
    "latency": {name: _STEPS[name] for name in (steps.OURS, steps.RESTATE)}
    | {steps.DRAMATIQ: f"one worker process, {THREADS} threads, a sync actor"},
    "doors": _DOORS,
    "agents": _AGENTS,
}


def configurations(parts: Iterable[str]) -> dict[str, str]:
    """By system, and its part where another part sets it up otherwise."""
    found: dict[str, str] = {}
    for part in parts:
        for system, words in _OF_PART.get(part, {}).items():
            named = system if system not in found else f"{system} ({part})"
            if found.get(system) != (told := words.format(_version(system))):
                found[named] = told
    return found


def _version(system: str) -> str:
    return RESTATE if system == steps.RESTATE else _pinned().get(system, "")


def _pinned() -> dict[str, str]:
    """What the environments of the peers are made from."""
    lines = [line for each in (DURABLE, QUEUES) for line in _lines(each)]
    return dict(line.split("==", 1) for line in lines)


def _lines(environment: Environment) -> list[str]:
    return Path(environment.wanted).read_text(encoding="utf-8").split()
