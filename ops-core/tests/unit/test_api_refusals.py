"""REST: wrong parameters and paths, a store that is away, and our own bugs."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from door_support import SECRET, URN, AwayStore, BuggyStore, client_of, fields, service_over
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.ports import TaskStore
from ops_core.testing import MemoryStore, services_of

TASKS = "/api/v1/tasks/"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services_of(service_over(MemoryStore())))) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("limit=0", ["query.limit"]),
        ("limit=201", ["query.limit"]),
        ("limit=ten", ["query.limit"]),
        ("limit=" + "9" * 5000, ["query.limit"]),
        ("limit=1&limit=2", ["query.limit"]),
        ("cursor=elsewhere", ["query.cursor"]),
        ("label=team", ["query.label"]),
        ("label=:a", ["query.label"]),
        ("status=done", ["query.status"]),
        ("agent=%00", ["query.agent"]),
        ("created_after=yesterday", ["query.created_after"]),
        ("created_after=2026-01-01T00:00:00", ["query.created_after"]),
        ("created_after=0001-01-01T00:00:00%2B14:00", ["query.created_after"]),
        ("colour=red&size=1", ["query.colour", "query.size"]),
    ],
)
async def test_a_wrong_parameter_of_a_list_is_named(
    client: httpx2.AsyncClient, query: str, paths: list[str]
) -> None:
    """No parameter is guessed at or dropped in silence."""
    assert paths == fields(await client.get(f"{TASKS}?{query}"))


@pytest.mark.parametrize(
    ("method", "path", "wrong"),
    [
        ("POST", TASKS, "query.wait"),
        ("GET", f"{TASKS}task_1", "query.wait"),
        ("GET", f"{TASKS}task_1/events", "query.wait"),
        ("POST", f"{TASKS}task_1/cancel", "query.wait"),
        ("GET", f"{TASKS}task_1/steps", "query.wait"),
        ("GET", f"{TASKS}task_1/children", "query.wait"),
        ("GET", "/api/v1/dead-letters", "query.wait"),
        ("POST", "/api/v1/dead-letters/task_1/retry", "query.wait"),
        ("POST", "/api/v1/dead-letters/task_1/discard", "query.wait"),
    ],
)
async def test_an_unknown_parameter_is_refused_on_every_route(
    client: httpx2.AsyncClient, method: str, path: str, wrong: str
) -> None:
    """A misspelled parameter is an error, not a request for something else."""
    answer = await client.request(method, f"{path}?wait=1", json={"task_type": "noop"})
    assert [wrong] == fields(answer)


@pytest.mark.parametrize("query", ["after=-1", "after=9223372036854775808", "limit=0", "limit=201"])
async def test_a_wrong_page_of_events_is_named(client: httpx2.AsyncClient, query: str) -> None:
    """`after` and `limit` have bounds."""
    path = f"query.{query.partition('=')[0]}"
    assert [path] == fields(await client.get(f"{TASKS}task_1/events?{query}"))


@pytest.mark.parametrize("path", ["task_0", "%F0%9F%92%A9", "a" * 5000, "..%2e"])
async def test_a_task_that_is_not_there_is_404(client: httpx2.AsyncClient, path: str) -> None:
    """Reading, following and cancelling it answer alike."""
    answers = [
        await client.get(f"{TASKS}{path}"),
        await client.get(f"{TASKS}{path}/events"),
        await client.post(f"{TASKS}{path}/cancel"),
    ]
    expected = [(404, f"{URN}task_not_found")] * 3
    assert expected == [(answer.status_code, answer.json()["type"]) for answer in answers]


async def test_a_task_id_with_a_nul_is_named(client: httpx2.AsyncClient) -> None:
    """PostgreSQL could not even look for it."""
    assert ["task_id"] == fields(await client.get(f"{TASKS}task%00"))


async def test_a_path_that_is_nowhere_is_404(client: httpx2.AsyncClient) -> None:
    """An unknown route is told apart from an unknown task."""
    answer = await client.get("/api/v2/tasks/")
    assert (404, f"{URN}not_found", "/api/v2/tasks/") == (
        answer.status_code,
        answer.json()["type"],
        answer.json()["instance"],
    )


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (TASKS, "GET, POST"),
        ("/api/v1/tasks", "GET, POST"),
        (f"{TASKS}task_1", "GET"),
        (f"{TASKS}task_1/cancel/", "POST"),
        (f"{TASKS}task_1/effects/1/tool/1/resolve", "POST"),
        ("/api/v1/dead-letters/", "GET"),
        ("/health", "GET"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx2.AsyncClient, path: str, allowed: str
) -> None:
    """405 with every method that the path has."""
    answer = await client.delete(path)
    assert (405, f"{URN}method_not_allowed", allowed) == (
        answer.status_code,
        answer.json()["type"],
        answer.headers["allow"],
    )


CALLS = [
    ("POST", TASKS),
    ("GET", TASKS),
    ("GET", f"{TASKS}task_1"),
    ("GET", f"{TASKS}task_1/events"),
    ("POST", f"{TASKS}task_1/cancel"),
    ("GET", f"{TASKS}task_1/steps"),
    ("GET", f"{TASKS}task_1/children"),
    ("GET", "/api/v1/dead-letters"),
    ("POST", "/api/v1/dead-letters/task_1/discard"),
]


async def ask(store: TaskStore, method: str, path: str) -> httpx2.Response:
    async with client_of(create_app(services_of(service_over(store)))) as client:
        sent = {"task_type": "noop"} if path == TASKS else None
        return await client.request(method, path, json=sent)


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_store_that_is_away_is_503(method: str, path: str) -> None:
    """The client learns when to come back, and nothing about our hosts."""
    answer = await ask(AwayStore(), method, path)
    assert (503, f"{URN}store_unavailable", "2") == (
        answer.status_code,
        answer.json()["type"],
        answer.headers["retry-after"],
    )
    assert SECRET not in answer.text


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_bug_is_500_without_a_word_of_it(method: str, path: str) -> None:
    """The log has the error under the id that the client got; the answer has no trace of it."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = await ask(BuggyStore(), method, path)
    problem = answer.json()
    assert (500, f"{URN}internal") == (answer.status_code, problem["type"])
    assert not [word for word in (SECRET, "ZeroDivision", "Traceback") if word in answer.text]
    [line] = lines
    assert ("request_failed", problem["request_id"], True) == (
        line["event"],
        line["request_id"],
        line["exc_info"],
    )


async def test_a_long_unicode_path_fits_into_a_problem(client: httpx2.AsyncClient) -> None:
    """`instance` is a URI reference of bounded length, whatever was asked for."""
    answer = await client.get("/" + "é\u2028" * 2000)
    assert 404 == answer.status_code
    assert json.loads(answer.content)["instance"].isascii()
    assert len(answer.content) < 8000
