"""Doors that do nothing: what the frameworks themselves cost, with a task's request and its answer in them.

`noop_doors.py rest PORT` is FastAPI with pydantic models on uvicorn; `noop_doors.py grpc PORT` is grpc.aio
with the messages of our contract. Both on uvloop, as the product's doors. Nothing is stored.
"""

import asyncio
import sys
from typing import Any

import grpc.aio
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc


class Sent(BaseModel):
    """Of a request, what the benchmark sends."""

    task_type: str
    input_data: dict[str, Any]
    name: str | None = None


class Answered(BaseModel):
    """Of a task, what there is to say without having stored it."""

    task_id: str
    task_type: str
    input_data: dict[str, Any]
    name: str | None


def app() -> FastAPI:
    noop = FastAPI()

    @noop.post("/api/v1/tasks/", status_code=201)
    async def create(sent: Sent) -> Answered:
        return Answered(task_id="task_0", **sent.model_dump())

    return noop


class Noop(tasks_pb2_grpc.TaskServiceServicer):
    async def CreateTask(  # noqa: N802  # the contract's name
        self, request: tasks_pb2.CreateTaskRequest, _context: Any
    ) -> tasks_pb2.CreateTaskResponse:
        task = tasks_pb2.Task(task_id="task_0", task_type=request.task_type, name=request.name)
        return tasks_pb2.CreateTaskResponse(task=task)


async def rest(port: int) -> None:
    config = uvicorn.Config(app(), port=port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


async def rpc(port: int) -> None:
    server = grpc.aio.server()
    add: Any = tasks_pb2_grpc.add_TaskServiceServicer_to_server  # generated without types
    add(Noop(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    doors = {"rest": rest, "grpc": rpc}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(doors[sys.argv[1]](int(sys.argv[2])))
