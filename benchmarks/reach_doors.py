"""What a process of each door accepts a second, beside a no-op of its framework."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from benchmarks.flood import flood, request
from benchmarks.processes import python_process
from benchmarks.results import Results
from benchmarks.systems import doors

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from support.databases import Databases
from support.server_process import free_port

REST, RPC = "submits a second over REST", "submits a second over gRPC"
SENDS = "confirmed sends a second, one after another"
OURS, NOOP = "opspawn", "no-op"

#: Requests under way at once.
IN_FLIGHT = 32


@dataclass(frozen=True, slots=True)
class Doors:
    """The ports of a process each, and what Opspawn's are connected to."""

    rest: int
    rpc: int
    noop_rest: int
    noop_rpc: int
    database_url: str
    rabbitmq_url: str


@contextmanager
def all_doors(databases: Databases, rabbitmq_url: str) -> Iterator[Doors]:
    """Opspawn's, with nobody to take what they accept, and the two no-ops."""
    with ExitStack() as running:
        noop_rest, noop_rpc = free_port(), free_port()
        for program, port in (("noop_door", noop_rest), ("noop_rpc", noop_rpc)):
            arguments = ["-m", f"benchmarks.peers.{program}", str(port)]
            process = python_process(arguments, {}, is_ready=lambda port=port: _listens(port))  # type: ignore[misc]
            running.enter_context(process)
        rest, rpc, database_url = running.enter_context(doors(databases, rabbitmq_url))
        yield Doors(rest, rpc, noop_rest, noop_rpc, database_url, rabbitmq_url)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def measure(doors: Doors, requests: int, results: Results) -> None:
    """One round."""
    body = {"task_type": "noop", "input_data": {}, "name": "reach"}
    sent = [request("/api/v1/tasks/", body)] * requests
    for system, port in ((OURS, doors.rest), (NOOP, doors.noop_rest)):
        flooded = await flood(port, sent, IN_FLIGHT)
        results.add(REST, system, "tasks/s", requests / flooded.seconds)
    for system, port in ((OURS, doors.rpc), (NOOP, doors.noop_rpc)):
        results.add(RPC, system, "tasks/s", requests / await _calls(port, requests))


async def _calls(port: int, calls: int) -> float:
    """Seconds for so many CreateTask calls on one channel."""
    asked = tasks_pb2.CreateTaskRequest(task_type="noop", input_data={}, name="reach")
    left = iter(range(calls))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = tasks_pb2_grpc.TaskServiceStub  # generated without types
        call = stub(channel).CreateTask
        await channel.channel_ready()

        async def one_after_another() -> None:
            for _ in left:
                await call(asked, timeout=30)

        began = time.perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - began
