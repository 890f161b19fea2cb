"""Memories over REST and gRPC: one service behind both doors."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2
import pytest
from agent_door_support import KeyedGate
from door_support import channel_to, client_of, refused, service_over, struct, stub_of
from fastapi import FastAPI

from ops_core.api import create_app
from ops_core.errors import MemoriesUnavailable
from ops_core.memories import MemoryPage, MemoryShelf, NoShelf
from ops_core.rpc.v1 import memories_pb2, memories_pb2_grpc
from ops_core.testing import FrozenClock, InMemoryShelf, MemoryStore, services_of

pytestmark = pytest.mark.unit

MEMORIES = "/api/v1/memories/"
RIGHT = {"Authorization": "Bearer right"}
METADATA = (("authorization", "Bearer right"),)


@dataclass
class Doors:
    """Both doors of one shelf."""

    rest: httpx2.AsyncClient
    rpc: Any
    gate: KeyedGate

    async def add(self, text: str, **fields: Any) -> httpx2.Response:
        return await self.rest.post(MEMORIES, json={"text": text, **fields})

    async def found(self, **query: Any) -> list[str]:
        answer = await self.rest.get(MEMORIES, params=query)
        assert 200 == answer.status_code, answer.text
        return [memory["text"] for memory in answer.json()["memories"]]

    def call(self, method: str, **fields: Any) -> Any:
        request = getattr(memories_pb2, f"{method}Request")(**fields)
        return getattr(self.rpc, method)(request, metadata=METADATA)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Made once, for it costs more than the tests; each gives it services of its own."""
    return create_app(services_of(service_over(MemoryStore())))


async def doors_over(app: FastAPI, shelf: MemoryShelf) -> AsyncIterator[Doors]:
    gate = KeyedGate()
    services = services_of(service_over(MemoryStore()), shelf=shelf, gate=gate)
    app.state.services = services
    async with client_of(app) as rest, channel_to(services) as channel:
        rest.headers.update(RIGHT)
        yield Doors(rest, stub_of(channel, memories_pb2_grpc.MemoryServiceStub), gate)


@pytest.fixture
async def doors(app: FastAPI) -> AsyncIterator[Doors]:
    clock = FrozenClock()

    def now() -> Any:
        clock.advance(1)
        return clock()

    async for opened in doors_over(app, InMemoryShelf(now)):
        yield opened


def problem(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    found = answer.json()
    fields = [error["path"] for error in found.get("errors", [])]
    return answer.status_code, found["type"].removeprefix("urn:opspawn:problem:"), fields


async def test_a_memory_is_answered_whole(doors: Doors) -> None:
    """201 with its place, 200 when it was remembered already; the same over gRPC."""
    fields = {"agent": "support", "user": "ada", "metadata": {"topic": "drinks", "cups": 2}}
    first = await doors.add(" Ada drinks tea ", **fields)
    memory = first.json()
    assert {
        "memory_id": memory["memory_id"],
        "text": "Ada drinks tea",
        "source": "anonymous",
        "saved_at": "2026-01-01T00:00:01.000000Z",
        "score": None,
        **fields,
    } == memory
    assert (201, MEMORIES + memory["memory_id"]) == (first.status_code, first.headers["location"])
    assert memory == (await doors.rest.get(MEMORIES + memory["memory_id"])).json()
    told = (await doors.call("GetMemory", memory_id=memory["memory_id"])).memory
    assert ("Ada drinks tea", "ada", 2) == (told.text, told.user, told.metadata["cups"])
    assert not told.HasField("score")
    assert 200 == (await doors.add("ada drinks tea", agent="support", user="ada")).status_code


async def test_what_is_added_over_grpc_is_found_on_rest(doors: Doors) -> None:
    """Nobody's, of the default agent, unless it says whose."""
    made = await doors.call("CreateMemory", text="tea", metadata=struct(topic="drinks", sure=True))
    assert made.created
    assert not made.memory.HasField("user")
    memory = (await doors.rest.get(MEMORIES + made.memory.memory_id)).json()
    assert ("default", None, {"topic": "drinks", "sure": True}) == (
        memory["agent"],
        memory["user"],
        memory["metadata"],
    )
    assert not (await doors.call("CreateMemory", text="TEA")).created


async def test_a_list_is_filtered_and_read_in_pages(doors: Doors) -> None:
    """Newest first; by agent, by user, and by metadata, whose type counts."""
    await doors.add("a", user="ada", metadata={"topic": "tea"})
    await doors.add("b", user="bob", metadata={"year": 2024, "sure": True})
    await doors.add("c", agent="sales", user="ada", metadata={"year": "2024", "topic": "a:b"})
    await doors.add("d")
    assert ["d", "c", "b", "a"] == await doors.found()
    assert ["c", "a"] == await doors.found(user="ada")
    assert ["d", "b", "a"] == await doors.found(agent="default")
    assert ["d"] == await doors.found(user="")
    assert ["a"] == await doors.found(metadata="topic:tea")
    assert ["c"] == await doors.found(metadata="topic:a:b")
    assert ["b"] == await doors.found(metadata="year:2024")
    assert ["c"] == await doors.found(metadata='year:"2024"')
    assert ["b"] == await doors.found(metadata="sure:true")
    page = (await doors.rest.get(MEMORIES, params={"limit": 3})).json()
    assert ["a"] == await doors.found(limit=3, cursor=page["next_cursor"])
    last = await doors.call("ListMemories", limit=3, cursor=page["next_cursor"])
    assert ["a"] == [memory.text for memory in last.memories]
    assert "" == last.next_cursor
    assert 2 == len((await doors.call("ListMemories", user="ada")).memories)


async def test_a_search_says_how_alike_they_are(doors: Doors) -> None:
    """Best first, on one page; filters hold."""
    await doors.add("Ada drinks green tea", user="ada")
    await doors.add("Bob drinks tea", user="bob")
    answer = (await doors.rest.get(MEMORIES, params={"query": "drinks tea"})).json()
    scores = [memory["score"] for memory in answer["memories"]]
    assert "Bob drinks tea" == answer["memories"][0]["text"]
    assert 1 > scores[0] > scores[1] > 0
    assert None is answer["next_cursor"]
    found = await doors.call("ListMemories", query="drinks tea", user="ada", limit=1)
    assert [("Ada drinks green tea", True)] == [(m.text, m.score > 0) for m in found.memories]


async def test_one_is_forgotten_at_either_door(doors: Doors) -> None:
    """204, and 404 ever after."""
    first, second = [(await doors.add(text)).json()["memory_id"] for text in ("a", "b")]
    gone = await doors.rest.delete(MEMORIES + first)
    assert (204, b"") == (gone.status_code, gone.content)
    await doors.call("DeleteMemory", memory_id=second)
    for memory_id in (first, second, "x" * 300):
        for method in ("GET", "DELETE"):
            again = await doors.rest.request(method, MEMORIES + memory_id)
            assert (404, "memory_not_found", []) == problem(again)
        told = await refused(doors.call("GetMemory", memory_id=memory_id))
        assert (grpc.StatusCode.NOT_FOUND, "memory_not_found") == (told.code, told.type)


async def test_everything_of_a_user_is_forgotten(doors: Doors) -> None:
    """By all agents; over gRPC what one agent knows. The audit log says whose it was."""
    for agent in ("support", "sales"):
        for user in ("ada", "bob"):
            await doors.add("tea", agent=agent, user=user)
    gone = await doors.rest.delete(MEMORIES, params={"user": "ada"})
    assert (200, {"forgotten": 2}) == (gone.status_code, gone.json())
    assert 1 == (await doors.call("DeleteMemories", agent="sales", user="bob")).forgotten
    assert 1 == len(await doors.found())
    assert [
        ("delete_memories", "user=ada"),
        ("delete_memories", "agent=sales/user=bob"),
    ] == [told for told in doors.gate.recorded if told[0] == "delete_memories"]
    assert 1 == (await doors.call("DeleteMemories", agent="support")).forgotten


async def test_nobody_forgets_everything_by_leaving_something_out(doors: Doors) -> None:
    await doors.add("tea")
    assert (422, "invalid_request", ["query.user"]) == problem(await doors.rest.delete(MEMORIES))
    told = await refused(doors.call("DeleteMemories"))
    assert (grpc.StatusCode.INVALID_ARGUMENT, ["user"]) == (told.code, [*told.fields])
    assert ["tea"] == await doors.found()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "text"),
        ({"text": "  "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"text": "a", "agent": "no spaces"}, "agent"),
        ({"text": "a", "user": ""}, "user"),
        ({"text": "a", "user": "a\nb"}, "user"),
        ({"text": "a", "user": "x" * 201}, "user"),
        ({"text": "a", "tenant_id": "globex"}, "tenant_id"),
        ({"text": "a", "metadata": {f"k{n}": n for n in range(17)}}, "metadata"),
        ({"text": "a", "metadata": {"": 1}}, "metadata"),
        ({"text": "a", "metadata": {"k": ["list"]}}, "metadata"),
        ({"text": "a", "metadata": {"k": 2**53 + 1}}, "metadata"),
        ({"text": "a", "metadata": {"k": "x" * 501}}, "metadata"),
    ],
)
async def test_what_is_wrong_is_named(doors: Doors, body: dict[str, Any], path: str) -> None:
    """And nothing is remembered."""
    answer = await doors.rest.post(MEMORIES, json=body)
    status, kind, paths = problem(answer)
    assert (422, "invalid_request") == (status, kind)
    assert all(found.startswith(path) for found in paths), paths
    assert [] == await doors.found()


@pytest.mark.parametrize(
    "query",
    [
        {"query": " "},
        {"query": "x" * 1001},
        {"query": "a", "limit": "101"},
        {"query": "a", "cursor": "x"},
        {"cursor": "bm9uc2Vuc2U"},
        {"metadata": "no colon"},
        {"metadata": ":x"},
        {"metadata": f"k:{'x' * 501}"},
        {"user": "x" * 201},
        {"tenant_id": "globex"},
    ],
)
async def test_a_wrong_question_is_refused_alike(doors: Doors, query: dict[str, str]) -> None:
    """At both doors, with the fields of each."""
    status, kind, paths = problem(await doors.rest.get(MEMORIES, params=query))
    assert (422, "invalid_request") == (status, kind)
    if "tenant_id" in query:  # there is no such field
        return
    fields: dict[str, Any] = {k: int(v) if k == "limit" else v for k, v in query.items()}
    told = await refused(doors.call("ListMemories", **fields))
    assert [path.removeprefix("query.").removeprefix("query") for path in paths] == [
        field.removeprefix("query") for field in told.fields
    ]


async def test_a_server_without_memories_says_what_to_set(app: FastAPI) -> None:
    """409 and FAILED_PRECONDITION, whatever is asked."""
    async for doors in doors_over(app, NoShelf("set SOME_KEY.")):
        for answer in (
            await doors.add("tea"),
            await doors.rest.get(MEMORIES),
            await doors.rest.get(MEMORIES, params={"query": "tea"}),
            await doors.rest.get(f"{MEMORIES}x"),
            await doors.rest.delete(f"{MEMORIES}x"),
            await doors.rest.delete(MEMORIES, params={"user": "ada"}),
        ):
            assert (409, "memories_not_configured", []) == problem(answer)
            assert "SOME_KEY" in answer.json()["detail"]
        told = await refused(doors.call("ListMemories"))
        assert grpc.StatusCode.FAILED_PRECONDITION is told.code
        assert ("memories_not_configured", True) == (told.type, "SOME_KEY" in told.message)


async def test_a_shelf_that_is_away_may_be_asked_again(app: FastAPI) -> None:
    """503 and UNAVAILABLE, with the time to wait."""

    class Away(InMemoryShelf):
        async def page(self, *_: Any, **__: Any) -> MemoryPage:
            raise MemoriesUnavailable

    async for doors in doors_over(app, Away()):
        answer = await doors.rest.get(MEMORIES)
        assert (503, "memories_unavailable", []) == problem(answer)
        assert "5" == answer.headers["retry-after"]
        told = await refused(doors.call("ListMemories"))
        assert (grpc.StatusCode.UNAVAILABLE, 5) == (told.code, told.retry_after_s)
