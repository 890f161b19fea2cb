"""Streams of callers who are let in no more: at every door they end, and say why."""

import asyncio
from dataclasses import replace

import grpc
import httpx2
import pytest
from agent_door_support import AGENTS
from door_support import channel_to, refused, served, service_over, stub_of
from stream_support import QUICK, WITHIN_S, seqs, sse, started

from ops_core.a2a import streaming
from ops_core.a2a.desk import Desk
from ops_core.a2a.door import A2aDoor
from ops_core.api import create_app
from ops_core.errors import NotAuthenticated, StoreUnavailable, TooManyStreams
from ops_core.following import watched
from ops_core.identity.gate import Attempt, OpenGate
from ops_core.principal import EVERYBODY, Principal
from ops_core.rpc.v1 import tasks_pb2
from ops_core.services import Services
from ops_core.task import Task
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit

OFTEN = replace(QUICK, recheck_s=0.01)


class RevokingGate(OpenGate):
    """Knows everybody until `refuses` is set; `asked` is set each time that it was asked again."""

    def __init__(self) -> None:
        self.refuses: Exception | None = None
        self.asked = asyncio.Event()

    async def identify(self, attempt: Attempt) -> Principal:
        self.asked.set()
        if self.refuses is not None:
            raise self.refuses
        return EVERYBODY


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def gate() -> RevokingGate:
    return RevokingGate()


@pytest.fixture
def services(store: MemoryStore, gate: RevokingGate) -> Services:
    return services_of(service_over(store), store, streams=OFTEN, gate=gate)


async def test_a_stream_over_sse_ends_with_its_key(
    services: Services, store: MemoryStore, gate: RevokingGate
) -> None:
    """Also one in which nothing happens; the error has no id, so a client knows where it was."""
    script = await started(store)
    async with (
        asyncio.timeout(WITHIN_S),
        served(create_app(services)) as http,
        sse(http, script.task_id) as stream,
    ):
        await gate.asked.wait()
        gate.refuses = NotAuthenticated("This API key was revoked.")
        last = [frame async for frame in stream][-1]
    assert ("error", None) == (last["event"], last.get("id"))
    assert "problem:unauthenticated" in last["data"]


async def test_a_watch_over_grpc_ends_with_its_key(
    services: Services, store: MemoryStore, gate: RevokingGate
) -> None:
    script = await started(store)
    async with channel_to(services) as channel, asyncio.timeout(WITHIN_S):
        call = stub_of(channel).WatchTask(tasks_pb2.WatchTaskRequest(task_id=script.task_id))
        await anext(aiter(call))
        await gate.asked.wait()
        gate.refuses = NotAuthenticated("This API key was revoked.")

        async def rest() -> None:
            async for _ in call:
                pass

        found = await refused(rest())
    assert (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated") == (found.code, found.type)


async def test_a_stream_over_a2a_ends_with_its_key(
    services: Services,
    store: MemoryStore,
    gate: RevokingGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "BEAT_S", 0.01)
    script = await started(store, task_type="agent_run", input_data={"goal": "g"})
    app = create_app(services)
    follow = watched(services.streams)
    app.router.routes.extend(
        A2aDoor(Desk(services=services, agents=AGENTS, follow=follow)).routes()
    )
    async with served(app) as http, asyncio.timeout(WITHIN_S):
        lines = await subscribed(http, script.task, gate)
    assert "unauthenticated" in lines[-1]


async def subscribed(http: httpx2.AsyncClient, task: Task, gate: RevokingGate) -> list[str]:
    """What a subscription says, whose key is revoked once it has begun."""
    sent = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": task.task_id}}
    version = {"A2A-Version": "1.0"}
    async with http.stream("POST", "/a2a/default", json=sent, headers=version) as answer:
        lines = aiter(answer.aiter_lines())
        first = await anext(lines)
        gate.refuses = NotAuthenticated("This API key was revoked.")
        return [first, *[line async for line in lines if line.startswith("data: ")]]


async def test_a_store_that_is_away_ends_no_stream(
    services: Services, store: MemoryStore, gate: RevokingGate
) -> None:
    """Nobody knows then whether the key is good: it is asked again later."""
    script = await started(store)
    gate.refuses = StoreUnavailable("gone")
    attempt = Attempt(operation="watch_task", authorization=None, request_id="r")
    watch = await services.streams.watch(
        script.task_id, tenant_id="default", still=lambda: gate.identify(attempt)
    )
    with watch:
        assert [1, 2] == await seqs(watch, 2)
        async with asyncio.timeout(WITHIN_S):
            while not gate.asked.is_set():
                await watch.next(0.01)
        await script.write()
        assert [3] == await seqs(watch, 1)


async def test_one_tenant_does_not_take_all_the_streams(store: MemoryStore) -> None:
    """Others find places; a stream that is closed makes room."""
    ours, theirs = await started(store), await started(store, tenant_id="other")
    bounds = replace(QUICK, max_streams=4, max_tenant_streams=2)
    streams = services_of(service_over(store), store, streams=bounds).streams
    open_ = [await streams.watch(ours.task_id, tenant_id="default") for _ in range(2)]
    with pytest.raises(TooManyStreams, match="your tenant"):
        await streams.watch(ours.task_id, tenant_id="default")
    open_ += [await streams.watch(theirs.task_id, tenant_id="other")]
    open_.pop(0).close()
    open_ += [await streams.watch(ours.task_id, tenant_id="default")]
    for watch in open_:
        watch.close()
