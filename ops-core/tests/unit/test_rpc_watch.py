"""The log of a task over gRPC: pages, and `WatchTask`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from door_support import channel_to, raw_stream, refused, service_over, stub_of
from google.protobuf.json_format import MessageToDict
from stream_support import QUICK, WITHIN_S, started
from structlog.testing import capture_logs

from ops_core.rpc.v1 import tasks_pb2
from ops_core.services import Services
from ops_core.streams.hub import StreamSettings
from ops_core.streams.local import LocalSignals
from ops_core.streams.signals import Delta
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def services(store: MemoryStore) -> Services:
    return services_of(service_over(store), signals=LocalSignals(), streams=QUICK)


@pytest.fixture
async def rpc(services: Services) -> AsyncIterator[Any]:
    async with channel_to(services) as channel:
        yield stub_of(channel)


def watched(task_id: str, **fields: Any) -> tasks_pb2.WatchTaskRequest:
    return tasks_pb2.WatchTaskRequest(task_id=task_id, **fields)


async def all_of(call: Any) -> list[tasks_pb2.Event]:
    async with asyncio.timeout(WITHIN_S):
        return [event async for event in call]


async def freed(services: Services) -> None:
    """Returns when nothing is followed any more."""
    while services.streams._hub._count:
        await asyncio.sleep(0)


async def test_a_watch_is_the_log_and_ends_with_it(rpc: Any, store: MemoryStore) -> None:
    """The same events as on the pages, while they are written."""
    script = await started(store)
    watching = asyncio.create_task(all_of(rpc.WatchTask(watched(script.task_id))))
    await script.write(5)
    await script.settle()
    found = await watching
    asked = tasks_pb2.ListEventsRequest(task_id=script.task_id)
    page = await rpc.ListEvents(asked)
    assert list(range(1, 9)) == [event.seq for event in found]
    assert [*page.events] == found
    assert 8 == page.next_after_seq


async def test_an_event_says_the_same_as_over_rest(rpc: Any, store: MemoryStore) -> None:
    """Type, version, time and data."""
    script = await started(store)
    [event] = (
        await rpc.ListEvents(tasks_pb2.ListEventsRequest(task_id=script.task_id, limit=1))
    ).events
    [stored] = await store.events("default", script.task_id, after=0, limit=1)
    assert (stored.type, stored.v, stored.data) == (
        event.type,
        event.v,
        MessageToDict(event.data),
    )
    assert stored.at == event.at.ToDatetime(tzinfo=stored.at.tzinfo)


@pytest.mark.parametrize(("after_seq", "expected"), [(2, [3, 4]), (4, []), (400, [])])
async def test_a_watch_goes_on_where_it_was(
    rpc: Any, store: MemoryStore, after_seq: int, expected: list[int]
) -> None:
    """After the event that the client has; after the last one it is over at once."""
    script = await started(store)
    await script.write()
    await script.settle()
    call = rpc.WatchTask(watched(script.task_id, after_seq=after_seq))
    assert expected == [event.seq for event in await all_of(call)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (watched("task_0"), (grpc.StatusCode.NOT_FOUND, "task_not_found", [])),
        (watched(""), (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", ["task_id"])),
        (
            watched("task_0", after_seq=-1),
            (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", ["after_seq"]),
        ),
    ],
)
async def test_a_wrong_watch_is_refused_like_every_call(
    rpc: Any, request_: tasks_pb2.WatchTaskRequest, expected: Any
) -> None:
    """With its details."""
    found = await refused(all_of(rpc.WatchTask(request_)))
    assert expected == (found.code, found.type, [*found.fields])
    listed = tasks_pb2.ListEventsRequest(task_id=request_.task_id, after_seq=request_.after_seq)
    found = await refused(rpc.ListEvents(listed))
    assert expected == (found.code, found.type, [*found.fields])


async def test_a_message_that_is_none_is_refused(services: Services) -> None:
    """Malformed bytes, and fields of a newer contract."""
    async with channel_to(services) as channel:
        for body in (b"\xff\xff", b"\x7a\x01x"):
            found = await refused(all_of(raw_stream(channel, "WatchTask", body)))
            assert (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request") == (found.code, found.type)


async def test_a_client_knows_that_it_is_served_before_the_first_event(
    rpc: Any, store: MemoryStore
) -> None:
    """The answer begins when the watch does."""
    script = await started(store)
    call = rpc.WatchTask(watched(script.task_id, after_seq=2))
    async with asyncio.timeout(WITHIN_S):
        await call.wait_for_connection()
    call.cancel()


async def test_a_client_that_cancels_frees_what_it_held(
    rpc: Any, services: Services, store: MemoryStore
) -> None:
    """And so does one whose deadline passes."""
    script = await started(store)
    async with asyncio.timeout(WITHIN_S):
        call = rpc.WatchTask(watched(script.task_id, after_seq=1))
        assert 2 == (await call.read()).seq
        call.cancel()
        await freed(services)
        late = rpc.WatchTask(watched(script.task_id), timeout=0.1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await all_of(late)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == raised.value.code()
        await freed(services)


async def test_a_server_that_stops_ends_its_watches(
    rpc: Any, services: Services, store: MemoryStore
) -> None:
    """UNAVAILABLE, with how soon to come again."""
    script = await started(store)
    call = aiter(rpc.WatchTask(watched(script.task_id)))
    await anext(call)
    services.streams.close()
    found = await refused(all_of(call))
    assert (grpc.StatusCode.UNAVAILABLE, "server_stopping", 1) == (
        found.code,
        found.type,
        found.retry_after_s,
    )


async def test_too_many_watches_and_slow_ones_are_refused(store: MemoryStore) -> None:
    """RESOURCE_EXHAUSTED, each with its type."""
    settings = StreamSettings(max_streams=1, buffer=5, poll_s=0.001, idle_s=0.001)
    services = services_of(service_over(store), streams=settings)
    script = await started(store)
    async with channel_to(services) as channel, asyncio.timeout(WITHIN_S):
        rpc = stub_of(channel)
        call = aiter(rpc.WatchTask(watched(script.task_id)))
        await anext(call)
        found = await refused(all_of(rpc.WatchTask(watched(script.task_id))))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_streams") == (found.code, found.type)
        while services.streams._hub._topics:
            await script.write(1000)
            await asyncio.sleep(0)
        found = await refused(all_of(call))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "stream_too_slow") == (found.code, found.type)


async def test_deltas_have_no_number(services: Services, store: MemoryStore, rpc: Any) -> None:
    """They are no events."""
    script = await started(store)
    call = rpc.WatchTask(watched(script.task_id, after_seq=1, deltas=True))
    async with asyncio.timeout(WITHIN_S):
        assert 2 == (await call.read()).seq
        [key] = services.streams._hub._topics
        services.streams._hub.delta(key, Delta({"text": "4"}))
        found = await call.read()
    assert (0, "llm.delta", {"text": "4"}) == (found.seq, found.type, MessageToDict(found.data))


async def test_a_fault_in_the_middle_of_a_watch_is_ours(
    rpc: Any, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTERNAL, and the log has the reason."""
    script = await started(store)

    def broken(_event: object) -> bytes:
        raise ZeroDivisionError("postgresql://secret")

    monkeypatch.setattr("ops_core.rpc.events.event_message", broken)
    with capture_logs() as logs:
        found = await refused(all_of(rpc.WatchTask(watched(script.task_id))))
    assert (grpc.StatusCode.INTERNAL, "internal") == (found.code, found.type)
    assert "secret" not in found.message
    assert ["call_failed"] == [line["event"] for line in logs]
