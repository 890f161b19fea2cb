"""gRPC: health, reflection and the port."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from door_support import SECRET, channel_to, refused, service_over, stub_of
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub, add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from structlog.testing import capture_logs

from ops_core.errors import StoreUnavailable
from ops_core.rpc import create_server
from ops_core.rpc.health import Health
from ops_core.rpc.server import SERVICE_NAMES
from ops_core.testing import MemoryStore, services_of

TASKS = "ops_core.rpc.v1.TaskService"
APPROVALS = "ops_core.rpc.v1.ApprovalService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Part:
    """Something that a door depends on, which a test can take away."""

    def __init__(self) -> None:
        self.away = False
        self.checks = 0
        self.checked_often = asyncio.Event()

    async def check(self) -> None:
        self.checks += 1
        if self.checks >= 5:
            self.checked_often.set()
        if self.away:
            raise StoreUnavailable(SECRET)


def asked(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", TASKS])
async def test_health_follows_readiness(service: str) -> None:
    """SERVING while every part works; the same answer as /ready."""
    part = Part()
    async with channel_to(service_over(MemoryStore()), probes={"store": part.check}) as channel:
        stub = stub_of(channel, HealthStub)
        assert SERVING == (await stub.Check(asked(service))).status
        part.away = True
        with capture_logs():
            assert NOT_SERVING == (await stub.Check(asked(service))).status


async def test_the_health_of_an_unknown_service_is_not_found() -> None:
    """As the health protocol has it."""
    async with channel_to(service_over(MemoryStore())) as channel:
        found = await refused(stub_of(channel, HealthStub).Check(asked("nope")))
    assert grpc.StatusCode.NOT_FOUND == found.code


async def test_a_watcher_learns_of_a_change() -> None:
    """The status at once, then again only when it is another one."""
    part = Part()
    server = grpc.aio.server()
    health = Health(frozenset({""}), {"store": part.check}, watch_interval_s=0.001)
    add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answers = stub_of(channel, HealthStub).Watch(asked(""))
        assert SERVING == (await answers.read()).status
        await part.checked_often.wait()  # all of them the same: none is told
        part.away = True
        with capture_logs():
            assert NOT_SERVING == (await answers.read()).status
            part.away = False
            assert SERVING == (await answers.read()).status
        answers.cancel()
    await server.stop(None)


async def test_watching_an_unknown_service_says_so_and_stays_open() -> None:
    """SERVICE_UNKNOWN first, as the health protocol has it."""
    async with channel_to(service_over(MemoryStore())) as channel:
        answers = stub_of(channel, HealthStub).Watch(asked("nope"))
        first = await answers.read()
        assert health_pb2.HealthCheckResponse.SERVICE_UNKNOWN == first.status
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answers.read(), 0.1)
        answers.cancel()


def listing() -> reflection_pb2.ServerReflectionRequest:
    return reflection_pb2.ServerReflectionRequest(list_services="")


async def test_reflection_lists_the_services_when_it_is_enabled() -> None:
    """Tools can discover the contract of a server that allows it."""
    async with channel_to(service_over(MemoryStore()), reflection=True) as channel:
        call = stub_of(channel, ServerReflectionStub).ServerReflectionInfo(iter([listing()]))
        names = {each.name for each in (await call.read()).list_services_response.service}
    expected = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert SERVICE_NAMES | expected == names
    assert {TASKS, APPROVALS} <= names


async def test_reflection_is_off_unless_it_is_enabled() -> None:
    """A server does not describe itself to strangers by default."""
    async with channel_to(service_over(MemoryStore())) as channel:
        # It refuses the call as such; a request under way at that moment would sometimes fail as INTERNAL.
        call = stub_of(channel, ServerReflectionStub).ServerReflectionInfo(timeout=10)
        assert grpc.StatusCode.UNIMPLEMENTED == (await refused(call.read())).code


async def test_a_port_that_is_taken_is_an_error() -> None:
    """Two servers never share a port, each with half of the calls."""
    first = create_server(services_of(service_over(MemoryStore())))
    port = first.add_insecure_port("127.0.0.1:0")
    await first.start()
    second = create_server(services_of(service_over(MemoryStore())))
    with pytest.raises(RuntimeError, match="bind"):
        second.add_insecure_port(f"127.0.0.1:{port}")
    await asyncio.gather(first.stop(None), second.stop(None))


async def test_what_is_no_message_is_the_clients_fault_at_health_too() -> None:
    """The runtime would say UNKNOWN, as of a bug of ours."""
    async with channel_to(service_over(MemoryStore())) as channel:
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
        for call in (check(b"\x0a\xff"), watch(b"\x0a\xff").read()):
            assert grpc.StatusCode.INVALID_ARGUMENT is (await refused(call)).code
