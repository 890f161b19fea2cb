"""Points 1, 2, 3, 5 and 6 of what Opspawn reaches for; the numbers are ratios within one run."""

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
        Target(f"{what} without guards", "≥", 0.7, ours, (name, WITHOUT_GUARDS)),
        Target(f"{what} a commit each", "≥", 10, ours, (name, A_COMMIT_EACH)),
    )


TARGETS: Final = (
    Target("five steps ÷ Restate", "≥", 4, (STEPS, OURS), (STEPS, RESTATE)),
    Target("five steps ÷ LangGraph + PostgreSQL, sync", "≥", 15, (STEPS, OURS), (STEPS, LANGGRAPH)),
    Target("five steps ÷ DBOS", "≥", 30, (STEPS, OURS), (STEPS, DBOS)),
    Target("five steps ÷ Dramatiq's async no-op", "≥", 0.7, (STEPS, OURS), (NOOP, DRAMATIQ)),
    *(target for in_flight in IN_FLIGHT for target in _of_writer(in_flight)),
    Target("a lone step beyond a bare insert, p50", "≤", 1, (LONE, GUARDED), unit="ms"),
    Target(
        "call → first step, p50 ÷ Dramatiq's pickup",
        "≤",
        2.5,
        (f"{FIRST_STEP}, p50", OURS),
        (f"{FIRST_STEP}, p50", DRAMATIQ),
    ),
    Target(
        "five steps done, p50 ÷ Restate",
        "≤",
        0.6,
        (f"{DONE}, p50", OURS),
        (f"{DONE}, p50", RESTATE),
    ),
    Target(
        "five steps done, p99 ÷ Restate", "≤", 1, (f"{DONE}, p99", OURS), (f"{DONE}, p99", RESTATE)
    ),
    Target("commit → SSE client, p50", "≤", 10, (f"{EVENT}, p50", OURS), unit="ms"),
    Target("submits over REST ÷ FastAPI's no-op", "≥", 0.45, (REST, OURS), (REST, NOOP_DOOR)),
    Target("submits over REST ÷ confirmed sends", "≥", 2.5, (REST, OURS), (SENDS, DRAMATIQ)),
    Target("submits over gRPC ÷ grpc.aio's no-op", "≥", 0.45, (RPC, OURS), (RPC, NOOP_DOOR)),
    Target("submits over gRPC ÷ confirmed sends", "≥", 2.5, (RPC, OURS), (SENDS, DRAMATIQ)),
    Target("agents at once: time", "≤", 1.15, (WALL, AGENTKIT)),
    Target("agents at once: CPU a call ÷ default httpx", "≤", 1 / 30, (CPU, AGENTKIT), (CPU, BARE)),
    Target("agents at once: model calls a second", "≥", 1000, (RATE, AGENTKIT), unit="1/s"),
)
