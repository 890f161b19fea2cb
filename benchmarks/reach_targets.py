"""What `reach.py` holds Opspawn to, by the part that measures it: ratios within one run."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.reach_agents import BARE, CPU, RATE, WALL
from benchmarks.reach_agents import OURS as AGENTKIT
from benchmarks.reach_doors import NOOP as NOOP_DOOR
from benchmarks.reach_doors import REST, RPC, SENDS
from benchmarks.reach_latency import EVENT, FIRST_STEP
from benchmarks.reach_steps import DBOS, DONE, DRAMATIQ, LANGGRAPH, NOOP, OURS, RESTATE, STEPS
from benchmarks.reach_writer import ALONE as A_COMMIT_EACH
from benchmarks.reach_writer import BARE as WITHOUT_GUARDS
from benchmarks.reach_writer import GUARDED, IN_FLIGHT, LONE
from benchmarks.reach_writer import STEPS as WRITTEN
from benchmarks.targets import Target


def _of_writer(in_flight: int) -> tuple[Target, Target]:
    name = WRITTEN.format(in_flight)
    ours, what = (name, GUARDED), f"steps, {in_flight:,} in flight ÷"
    return (
        Target(f"{what} without guards", "≥", 0.7, ours, (name, WITHOUT_GUARDS), point=2),
        Target(f"{what} a commit each", "≥", 10, ours, (name, A_COMMIT_EACH), point=2),
    )


_OURS: Final = (STEPS, OURS)

_STEPS: Final = (
    Target("five steps ÷ Restate", "≥", 4, _OURS, (STEPS, RESTATE), point=1),
    Target(
        "five steps ÷ LangGraph + PostgreSQL, sync", "≥", 15, _OURS, (STEPS, LANGGRAPH), point=1
    ),
    Target("five steps ÷ DBOS", "≥", 30, _OURS, (STEPS, DBOS), point=1),
    Target("five steps ÷ Dramatiq's async no-op", "≥", 0.7, _OURS, (NOOP, DRAMATIQ), point=1),
)

_WRITER: Final = (
    *(target for in_flight in IN_FLIGHT for target in _of_writer(in_flight)),
    Target("a lone step beyond a bare insert, p50", "≤", 1, (LONE, GUARDED), unit="ms", point=2),
)

_LATENCY: Final = tuple(
    Target(what, "≤", limit, (measurement, OURS), (measurement, peer), point=3)
    for what, limit, measurement, peer in (
        ("call → first step, p50 ÷ Dramatiq's pickup", 2.5, f"{FIRST_STEP}, p50", DRAMATIQ),
        ("five steps done, p50 ÷ Restate", 0.6, f"{DONE}, p50", RESTATE),
        ("five steps done, p99 ÷ Restate", 1, f"{DONE}, p99", RESTATE),
    )
)

_DOORS: Final = (
    Target("commit → SSE client, p50", "≤", 10, (f"{EVENT}, p50", OURS), unit="ms", point=3),
    *(
        Target(what, "≥", limit, (measurement, OURS), base, point=5)
        for what, limit, measurement, base in (
            ("submits over REST ÷ FastAPI's no-op", 0.45, REST, (REST, NOOP_DOOR)),
            ("submits over REST ÷ confirmed sends", 2.5, REST, (SENDS, DRAMATIQ)),
            ("submits over gRPC ÷ grpc.aio's no-op", 0.45, RPC, (RPC, NOOP_DOOR)),
            ("submits over gRPC ÷ confirmed sends", 2.5, RPC, (SENDS, DRAMATIQ)),
        )
    ),
)

_AGENTS: Final = (
    Target("agents at once: time", "≤", 1.15, (WALL, AGENTKIT), point=6),
    Target(
        "agents at once: CPU a call ÷ default httpx",
        "≤",
        1 / 30,
        (CPU, AGENTKIT),
        (CPU, BARE),
        point=6,
    ),
    Target(
        "agents at once: model calls a second", "≥", 1000, (RATE, AGENTKIT), unit="1/s", point=6
    ),
)

TARGETS: Final[Mapping[str, Sequence[Target]]] = {
    "steps": _STEPS,
    "writer": _WRITER,
    "latency": _LATENCY,
    "doors": _DOORS,
    "agents": _AGENTS,
}
