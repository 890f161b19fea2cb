"""The two doors, opened for a test over the in-memory store, and stores that misbehave."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx2
import uvicorn
from fastapi import FastAPI
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2

from ops_core.errors import StoreUnavailable
from ops_core.ports import TaskStore, TaskType
from ops_core.rpc import create_server
from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.task import Task
from ops_core.testing import MemoryStore, services_of

TYPES = {
    "noop": TaskType(name="noop", input_schema={"type": "object"}),
    "agent_run": TaskType(
        name="agent_run",
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["goal"],
            "properties": {
                "goal": {"type": "string", "minLength": 1},
                "agent_config": {
                    "type": "object",
                    "properties": {"llm_provider": {"enum": ["openai", "local"]}},
                },
            },
        },
        aliases={"prompt": "goal"},
        output_schema=("agent_config", "output_schema"),
    ),
}

#: What must never reach a client: it stands in the errors of the stores below.
SECRET = "postgresql://admin:hunter2@10.0.0.7/prod"

#: What the types of problems begin with.
URN = "urn:opspawn:problem:"


class AwayStore(MemoryStore):
    """A store whose database cannot be reached."""

    async def submit(self, *_: object, **__: object) -> Any:
        raise StoreUnavailable(f"cannot connect to {SECRET}")

    get = events = cancel = check = page = log = signal = discard = submit


class BuggyStore(MemoryStore):
    """A store with a bug in every method."""

    async def submit(self, *_: object, **__: object) -> Any:
        raise ZeroDivisionError(SECRET)

    get = events = cancel = check = page = log = signal = discard = submit


class HangingStore(MemoryStore):
    """A store that does not answer; `stopped` is set once whoever asked has been cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = asyncio.Event()

    async def get(self, tenant_id: str, task_id: str) -> Task:
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        raise AssertionError("nobody sets that event")


def service_over(store: TaskStore) -> TaskService:
    return TaskService(store, TYPES, lambda _queue, _task_id: None)


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    """A client without a socket, for what does not depend on one."""
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://door")


class _Server(uvicorn.Server):
    """uvicorn inside a test: no signal handlers, and `listening` says when it can be reached."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client over a real socket, with the application behind it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = _Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off"))
        serving = asyncio.create_task(server.serve([listening]))
        await server.listening.wait()
        async with httpx2.AsyncClient(base_url=url) as client:
            yield client
        server.should_exit = True
        await serving


@asynccontextmanager
async def channel_to(
    service: TaskService | Services, **options: Any
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a real server on a free port."""
    services = service if isinstance(service, Services) else services_of(service)
    server = create_server(services, **options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    services.streams.close()
    await server.stop(None)


def stub_of(channel: grpc.aio.Channel, stub: Any = tasks_pb2_grpc.TaskServiceStub) -> Any:
    """Generated stubs come without types, or with those of the synchronous client."""
    return stub(channel)


def raw(channel: grpc.aio.Channel, method: str, body: bytes) -> Any:
    """A call whose request is these bytes, whether or not they are a message."""
    call: Any = channel.unary_unary(f"/ops_core.rpc.v1.TaskService/{method}")
    return call(body)


def request(**fields: Any) -> tasks_pb2.CreateTaskRequest:
    """A request that is right unless a field makes it wrong."""
    return tasks_pb2.CreateTaskRequest(**{"task_type": "noop", **fields})


def struct(**fields: Any) -> Struct:
    message = Struct()
    message.update(fields)
    return message


def raw_stream(channel: grpc.aio.Channel, method: str, body: bytes) -> Any:
    """As `raw`, for a stream of answers."""
    call: Any = channel.unary_stream(f"/ops_core.rpc.v1.TaskService/{method}")
    return call(body)


@dataclass(frozen=True)
class Refused:
    """How a call was refused: what a client can read from its error."""

    code: grpc.StatusCode
    message: str
    type: str
    fields: dict[str, str]
    retry_after_s: int | None
    request_id: str


def fields(answer: httpx2.Response) -> list[str]:
    """The paths of the wrong fields of a 422."""
    problem = answer.json()
    assert (422, 422, f"{URN}invalid_request") == (
        answer.status_code,
        problem["status"],
        problem["type"],
    )
    return [error["path"] for error in problem["errors"]]


async def refused(call: Any) -> Refused:
    """Awaits a call that must fail, and reads its details as a client does."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _read(error)
    raise AssertionError(f"expected a refusal, got {answer}")


def _read(error: grpc.aio.AioRpcError) -> Refused:
    metadata: Any = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata.get("grpc-status-details-bin", b""))
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.RequestInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    found: Sequence[Any] = [
        message
        for detail in status.details
        for message in (info, request, bad, retry)
        if detail.Unpack(message)
    ]
    return Refused(
        code=error.code(),
        message=error.details() or "",
        type=info.reason,
        fields={field.field: field.description for field in bad.field_violations},
        retry_after_s=retry.retry_delay.seconds if retry in found else None,
        request_id=request.request_id,
    )
