"""grpc.aio's no-op: the same call as Opspawn's CreateTask, answered at once. Nothing is stored.

`python -m benchmarks.peers.noop_rpc PORT`.
"""

import asyncio
import sys
from typing import Any

import grpc.aio

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc


class Noop(tasks_pb2_grpc.TaskServiceServicer):
    """Only CreateTask is there."""

    async def CreateTask(self, request: Any, context: Any) -> Any:  # noqa: N802
        task = tasks_pb2.Task(task_id="task_0", task_type=request.task_type)
        return tasks_pb2.CreateTaskResponse(task=task)


async def main(port: int) -> None:
    server = grpc.aio.server()
    add: Any = tasks_pb2_grpc.add_TaskServiceServicer_to_server  # generated without types
    add(Noop(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
