"""Submits a task, reads it and follows it, with stubs made from the .proto file. Argument: the address."""

import json
import sys
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub: Any = tasks_pb2_grpc.TaskServiceStub(channel)
        request = tasks_pb2.CreateTaskRequest(task_type="noop", idempotency_key="from-python")
        request.input_data.update({"n": 7})
        task = stub.CreateTask(request, timeout=10).task
        again = stub.CreateTask(request, timeout=10)
        read = stub.GetTask(tasks_pb2.GetTaskRequest(task_id=task.task_id), timeout=10).task
        stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task.task_id), timeout=10)
        watch = tasks_pb2.WatchTaskRequest(task_id=task.task_id)
        types = [event.type for event in stub.WatchTask(watch, timeout=10)]
        missing = None
        try:
            stub.GetTask(tasks_pb2.GetTaskRequest(task_id="task_none"), timeout=10)
        except grpc.RpcError as error:
            missing = error.code().value[0]
    told = {
        "id": task.task_id,
        "replayed": again.replayed,
        "status": tasks_pb2.TaskStatus.Name(read.status),
        "n": MessageToDict(read.input_data)["n"],
        "types": types,
        "missing": missing,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
