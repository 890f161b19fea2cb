"""The log of a task over SSE, and requests that are held, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from door_support import client_of, served, service_over
from stream_support import EVENTS, QUICK, WITHIN_S, Script, data, ids, sse, started
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.services import Services
from ops_core.streams.hub import StreamSettings
from ops_core.streams.local import LocalSignals
from ops_core.streams.signals import Delta
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit

TASKS = "/api/v1/tasks/"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def services(store: MemoryStore) -> Services:
    return services_of(service_over(store), streams=QUICK)


@pytest.fixture
async def asgi(services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    """Without a socket, for what is not held."""
    async with client_of(create_app(services)) as client:
        yield client


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(create_app(services)) as client:
        yield client
        services.streams.close()


async def test_a_stream_is_the_log_and_ends_with_it(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """`id` is the `seq`, `event` the type, `data` the same JSON as on the page."""
    script = await started(store)
    await script.write()
    await script.settle()
    async with sse(client, script.task_id) as stream:
        found = [frame async for frame in stream]
    page = (await client.get(EVENTS.format(script.task_id))).json()
    told = [frame for frame in found if "data" in frame]
    assert page["events"] == [data(frame) for frame in told]
    assert [(str(e["seq"]), e["type"]) for e in page["events"]] == [
        (frame["id"], frame["event"]) for frame in told
    ]


async def test_a_stream_is_sent_as_one(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """Its type, no cache, no buffer of a proxy, and no length."""
    script = await started(store)
    await script.settle()
    answer = await client.get(
        EVENTS.format(script.task_id), headers={"Accept": "text/event-stream"}
    )
    sent = {
        name: answer.headers.get(name)
        for name in ("content-type", "cache-control", "x-accel-buffering", "content-length")
    }
    assert {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "content-length": None,
    } == sent


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ({"after": 2}, {}, [3, 4]),
        ({}, {"Last-Event-ID": "3"}, [4]),
        ({"after": 1}, {"Last-Event-ID": "3"}, [4]),
        ({"after": 4}, {}, []),
        ({}, {"Last-Event-ID": "4"}, []),
        ({}, {"Last-Event-ID": "400"}, []),
    ],
)
async def test_a_stream_goes_on_where_it_was(
    client: httpx2.AsyncClient,
    store: MemoryStore,
    query: dict[str, int],
    headers: dict[str, str],
    expected: list[int],
) -> None:
    """After the id that the client has; that wins over the parameter."""
    script = await started(store)
    await script.write()
    await script.settle()
    async with sse(client, script.task_id, headers=headers, **query) as stream:
        assert expected == ids([frame async for frame in stream])


@pytest.mark.parametrize(
    ("query", "headers", "path"),
    [
        ({}, {"Last-Event-ID": "x"}, "header.Last-Event-ID"),
        ({}, {"Last-Event-ID": "-1"}, "header.Last-Event-ID"),
        ({}, {"Last-Event-ID": "1_0"}, "header.Last-Event-ID"),
        ({}, {"Last-Event-ID": ""}, "header.Last-Event-ID"),
        ({}, {"Last-Event-ID": "9" * 30}, "header.Last-Event-ID"),
        ({"after": -1}, {}, "query.after"),
        ({"limit": 5}, {}, "query.limit"),
        ({"deltas": True}, {"Accept": "application/json"}, "query.deltas"),
    ],
)
async def test_a_wrong_place_to_go_on_from_is_refused(
    asgi: httpx2.AsyncClient,
    store: MemoryStore,
    query: dict[str, int],
    headers: dict[str, str],
    path: str,
) -> None:
    """422 before the stream begins, as is what would have no effect."""
    script = await started(store)
    sent = {"Accept": "text/event-stream", **headers}
    answer = await asgi.get(EVENTS.format(script.task_id), headers=sent, params=query)
    assert (422, [path]) == (answer.status_code, [e["path"] for e in answer.json()["errors"]])


async def test_a_stream_of_no_task_is_not_found(asgi: httpx2.AsyncClient) -> None:
    """404, as JSON."""
    headers = {"Accept": "text/event-stream"}
    assert 404 == (await asgi.get(EVENTS.format("task_0"), headers=headers)).status_code


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.1"])
async def test_who_does_not_name_the_stream_gets_a_page(
    asgi: httpx2.AsyncClient, store: MemoryStore, accept: str
) -> None:
    """A client that takes anything is not kept."""
    script = await started(store)
    answer = await asgi.get(EVENTS.format(script.task_id), headers={"Accept": accept})
    assert 2 == answer.json()["next_after"]


async def test_a_silent_stream_says_that_it_is_there(store: MemoryStore) -> None:
    """A comment, again and again."""
    settings = StreamSettings(keepalive_s=0.01)
    services = services_of(service_over(store), streams=settings)
    script = await started(store)
    async with served(create_app(services)) as client:
        async with sse(client, script.task_id, after=2) as stream, asyncio.timeout(WITHIN_S):
            assert {"retry": "1000"} == await anext(stream)
            assert [{"": "still here"}] * 2 == [await anext(stream) for _ in range(2)]
        services.streams.close()


async def test_a_server_that_stops_says_so_and_ends(
    client: httpx2.AsyncClient, services: Services, store: MemoryStore
) -> None:
    """The stream is whole, and its client knows how soon to come again."""
    script = await started(store)
    async with sse(client, script.task_id, after=2) as stream, asyncio.timeout(WITHIN_S):
        opening = await anext(stream)
        services.streams.close()
        rest = [frame async for frame in stream]
    assert {"retry": "1000"} == opening
    assert [{"": "this server stops, come again with Last-Event-ID"}] == rest
    sent = {"Accept": "text/event-stream"}
    answer = await client.get(EVENTS.format(script.task_id), headers=sent)
    assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])


async def test_too_many_streams_are_refused(store: MemoryStore) -> None:
    """503 with Retry-After; a stream that was closed makes room for another."""
    settings = StreamSettings(max_streams=1, poll_s=0.005, idle_s=0.01)
    script = await started(store)
    sent = {"Accept": "text/event-stream"}
    services = services_of(service_over(store), streams=settings)
    async with served(create_app(services)) as client, asyncio.timeout(WITHIN_S):
        async with sse(client, script.task_id):
            answer = await client.get(EVENTS.format(script.task_id), headers=sent)
            problem = "urn:opspawn:problem:too_many_streams"
            assert (503, problem) == (answer.status_code, answer.json()["type"])
            assert answer.headers["Retry-After"]
        while True:  # until the server has seen that the client went
            async with client.stream("GET", EVENTS.format(script.task_id), headers=sent) as again:
                if again.status_code == 200:
                    break
        services.streams.close()


async def test_a_client_that_does_not_read_is_told_why_it_was_dropped(store: MemoryStore) -> None:
    """Sockets have a limit, and so has what waits behind them; the error has no id, and ends the stream."""
    settings = StreamSettings(buffer=5, poll_s=0.001, idle_s=0.001)
    services = services_of(service_over(store), streams=settings)
    script = await started(store)
    async with (
        asyncio.timeout(WITHIN_S),
        served(create_app(services)) as client,
        sse(client, script.task_id, after=2) as stream,
    ):
        await anext(stream)
        while services.streams._hub._topics:
            await script.write(1000)
            await asyncio.sleep(0)
        found = [frame async for frame in stream]
    *told, last = found
    assert list(range(3, len(told) + 3)) == ids(told)
    problem = data(last)
    assert ("error", "urn:opspawn:problem:stream_too_slow") == (last["event"], problem["type"])
    assert "id" not in last


async def test_deltas_are_frames_without_an_id(store: MemoryStore) -> None:
    """Only where they were asked for."""
    signals = LocalSignals()
    services = services_of(service_over(store), signals=signals, streams=QUICK)
    script = await started(store)
    async with (
        asyncio.timeout(WITHIN_S),
        served(create_app(services)) as client,
        sse(client, script.task_id, after=2, deltas=True) as stream,
        sse(client, script.task_id, after=2) as plain,
    ):
        await anext(stream), await anext(plain)
        [key] = services.streams._hub._topics
        signals.delta(key, Delta({"text": "4\n2"}))
        frame = {
            "event": "llm.delta",
            "data": json.dumps({"type": "llm.delta", "data": {"text": "4\n2"}}),
        }
        assert frame == await anext(stream)
        await script.settle()
        assert [[3], [3]] == [ids([f async for f in s]) for s in (stream, plain)]


async def test_a_fault_in_the_middle_of_a_stream_is_told_and_logged(
    client: httpx2.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As little as before it: that it was ours."""
    script = await started(store)

    def broken(_event: object) -> bytes:
        raise ZeroDivisionError("postgresql://secret")

    monkeypatch.setattr("ops_core.api.sse.event_frame", broken)
    with capture_logs() as logs:
        async with sse(client, script.task_id) as stream:
            *_, last = [frame async for frame in stream]
    assert ("error", "urn:opspawn:problem:internal") == (last["event"], data(last)["type"])
    assert ["stream_failed"] == [line["event"] for line in logs]


# Held requests.


async def held(client: httpx2.AsyncClient, prefer: str, **body: object) -> httpx2.Response:
    return await client.post(TASKS, json={"task_type": "noop"}, headers={"Prefer": prefer})


async def test_a_submit_is_held_until_the_task_has_settled(
    client: httpx2.AsyncClient, services: Services, store: MemoryStore
) -> None:
    """201 with the result in it; the header says that the preference was applied."""
    submitting = asyncio.create_task(held(client, "respond-async, wait=30"))
    async with asyncio.timeout(WITHIN_S):
        while not services.streams._hub._topics:
            await asyncio.sleep(0)
        [key] = services.streams._hub._topics
        task = await store.get("default", key.task_id)
        script = Script(store, task)
        await script.claim()
        await script.settle()
        answer = await submitting
    assert (201, "completed", "wait=30") == (
        answer.status_code,
        answer.json()["status"],
        answer.headers["Preference-Applied"],
    )


async def test_a_task_that_has_settled_is_shown_at_once(
    asgi: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """There is nothing to wait for."""
    script = await started(store)
    await script.settle()
    async with asyncio.timeout(WITHIN_S):
        answer = await asgi.get(TASKS + script.task_id, headers={"Prefer": "wait=3600"})
    assert ("completed", "wait=60") == (
        answer.json()["status"],
        answer.headers["Preference-Applied"],
    )


@pytest.mark.parametrize("prefer", ["wait=0", "wait=x", "wait", "waiting=5", "respond-async", ""])
async def test_a_preference_that_is_not_understood_is_none(
    asgi: httpx2.AsyncClient, prefer: str
) -> None:
    """Nothing is held (RFC 7240); a wait of 0 s is one."""
    async with asyncio.timeout(WITHIN_S):
        answer = await held(asgi, prefer)
    applied = "wait=0" if prefer == "wait=0" else None
    assert ("pending", applied) == (
        answer.json()["status"],
        answer.headers.get("Preference-Applied"),
    )


async def test_a_client_that_goes_away_is_not_waited_for(
    services: Services, store: MemoryStore, client: httpx2.AsyncClient
) -> None:
    """What held its request, or its stream, is freed."""
    script = await started(store)
    hub = services.streams._hub
    sent = {"Prefer": "wait=3600"}
    asking = asyncio.create_task(client.get(TASKS + script.task_id, headers=sent))
    async with asyncio.timeout(WITHIN_S):
        async with sse(client, script.task_id) as stream:
            await anext(stream)
            while hub._count < 2:
                await asyncio.sleep(0)
        asking.cancel()
        while hub._count:
            await asyncio.sleep(0)


async def test_a_held_request_is_answered_when_the_server_stops(
    services: Services, store: MemoryStore, client: httpx2.AsyncClient
) -> None:
    """With the task as it stands."""
    script = await started(store)
    sent = {"Prefer": "wait=3600"}
    asking = asyncio.create_task(client.get(TASKS + script.task_id, headers=sent))
    async with asyncio.timeout(WITHIN_S):
        while not services.streams._hub._topics:
            await asyncio.sleep(0)
        services.streams.close()
        assert "running" == (await asking).json()["status"]


async def test_both_ways_to_the_log_are_in_the_document(services: Services) -> None:
    """One route, two types of content."""
    async with client_of(create_app(services)) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    content = paths["/api/v1/tasks/{task_id}/events"]["get"]["responses"]["200"]["content"]
    assert {"application/json", "text/event-stream"} == content.keys()
