"""One task at a time on an idle system: how long the call takes, when the task starts, when it is done."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc.aio
from benchmarks import names
from benchmarks.rest import Rest
from benchmarks.results import Results
from benchmarks.systems import Opspawn

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc

#: A task that takes longer on an idle system is a defect, not a measurement. Seconds.
TIMEOUT_S = 30.0

#: Rest before each task: what the one before left (acknowledgements, commits) is then over. Seconds.
IDLE_S = 0.005

#: How often the client asks whether its task is done. Seconds.
ASK_S = 0.001

Submit = Callable[[], Awaitable[str]]


@dataclass(slots=True)
class Times:
    """Seconds, one entry a task."""

    submit: list[float] = field(default_factory=list)
    pickup: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    own_started: list[float] = field(default_factory=list)
    own_completed: list[float] = field(default_factory=list)


async def measure(system: Opspawn, samples: int, results: Results) -> None:
    """One round over REST and gRPC, and over REST with five steps."""
    target = f"127.0.0.1:{system.grpc_port}"
    async with Rest.open(system.api_port) as rest, grpc.aio.insecure_channel(target) as channel:
        await channel.channel_ready()
        plain = await _sample(system, rest, lambda: rest.submit("noop", "latency"), samples)
        rpc = await _sample(system, rest, _rpc_submit(channel), samples)
        steps = await _sample(system, rest, lambda: rest.submit("five_steps", "latency"), samples)
    for name, seconds in (
        (names.SUBMIT_REST, plain.submit),
        (names.SUBMIT_GRPC, rpc.submit),
        (names.PICKUP, plain.pickup),
        (names.PICKUP_GRPC, rpc.pickup),
        (names.OWN_STARTED, plain.own_started),
        (names.DONE, plain.done),
        (names.OWN_COMPLETED, plain.own_completed),
        (names.DONE_STEPS, steps.done),
        (names.OWN_COMPLETED_STEPS, steps.own_completed),
    ):
        results.add_percentiles(name, system.name, seconds)


async def warm_up(system: Opspawn) -> None:
    """Returns when the system has done a few tasks: all its processes are there and connected."""
    async with Rest.open(system.api_port) as rest:
        await _sample(system, rest, lambda: rest.submit("noop", "warm-up"), 20)
        await _sample(system, rest, lambda: rest.submit("five_steps", "warm-up"), 20)


async def _sample(system: Opspawn, rest: Rest, submit: Submit, count: int) -> Times:
    times = Times()
    for _ in range(count):
        await asyncio.sleep(IDLE_S)
        system.starts.clear()
        called = time.monotonic()
        task_id = await submit()
        times.submit.append(time.monotonic() - called)
        [started] = await system.starts.wait_for(1, TIMEOUT_S)
        times.pickup.append(started - called)
        task = await _completed(rest, task_id)
        times.done.append(time.monotonic() - called)
        times.own_started.append(_between(task, "created_at", "started_at"))
        times.own_completed.append(_between(task, "created_at", "completed_at"))
    return times


async def _completed(rest: Rest, task_id: str) -> dict[str, Any]:
    async with asyncio.timeout(TIMEOUT_S):
        while (task := await rest.task(task_id))["status"] != "completed":
            await asyncio.sleep(ASK_S)
    return task


def _between(task: dict[str, Any], first: str, second: str) -> float:
    begin, end = datetime.fromisoformat(task[first]), datetime.fromisoformat(task[second])
    return (end - begin).total_seconds()


def _rpc_submit(channel: grpc.aio.Channel) -> Submit:
    open_stub: Any = tasks_pb2_grpc.TaskServiceStub  # generated without types
    stub = open_stub(channel)
    request = tasks_pb2.CreateTaskRequest(task_type="noop", input_data={}, name="latency")

    async def submit() -> str:
        answer = await stub.CreateTask(request, timeout=TIMEOUT_S)
        return str(answer.task.task_id)

    return submit
