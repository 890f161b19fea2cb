"""The short way answers as the routes do, which get the same requests with a preference of no meaning."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from door_support import AwayStore, BuggyStore, client_of, service_over
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.api.admission import admitted
from ops_core.api.edge import Edge
from ops_core.api.short_way import ShortWay
from ops_core.errors import NotAuthenticated
from ops_core.identity.gate import Attempt, OpenGate
from ops_core.metrics import Tally
from ops_core.principal import Principal
from ops_core.scopes import Scope as Right
from ops_core.testing import FrozenClock, MemoryStore, services_of

TASKS = "/api/v1/tasks/"
JSON = {"Content-Type": "application/json"}
KEY = JSON | {"Idempotency-Key": "k"}
TASK = json.dumps({"task_type": "agent_run", "input_data": {"goal": "2 + 2"}, "labels": {"a": "ü"}})

#: Makes a request one that only a route answers.
LONG = {"Prefer": "nothing"}

#: What two answers to the same request differ in.
OWN = ("x-request-id", "location", "content-length")


#: May write tasks, and nothing else.
WRITER = Principal(tenant_id="default", subject="w", scopes=frozenset({Right.TASKS_WRITE}))


class Watching(OpenGate):
    """Lets in whoever has no credentials and, as a writer, whoever says so; notes what was asked for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, str]] = []

    async def admit(self, attempt: Attempt) -> Principal:
        if attempt.authorization == "writer":
            return WRITER
        if attempt.authorization is not None:
            raise NotAuthenticated("This API key is not known here.")
        return await super().admit(attempt)

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        kind = "id" if object.startswith("task_") else object
        self.seen.append((attempt.operation, attempt.authorization, kind))


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Made once, for it costs more than the tests; each gives it services of its own."""
    return create_app(services_of(service_over(MemoryStore())), max_body_bytes=2000)


async def told(
    app: FastAPI, store: MemoryStore, way: Mapping[str, str], *requests: Any
) -> list[Any]:
    """What a door over that store says to the requests, but for ids; and what its gate saw."""
    gate = Watching()
    app.state.services = services_of(service_over(store), store, gate=gate)
    answers: list[Any] = []
    async with client_of(app) as client:
        for method, path, headers, body in requests:
            last = answers[-1][2]["task_id"] if answers and "task_id" in answers[-1][2] else ""
            answer = await client.request(
                method, path.format(last=last), headers=dict(headers) | dict(way), content=body
            )
            answers.append((answer.status_code, _headers(answer), answer.json()))
    return [*(_without_ids(answer) for answer in answers), gate.seen]


def _headers(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OWN}


def _without_ids(answer: tuple[int, dict[str, str], dict[str, Any]]) -> object:
    own = {name: "…" for name in ("task_id", "request_id", "instance") if name in answer[2]}
    return answer[0], answer[1], answer[2] | own


@pytest.mark.parametrize(
    "requests",
    [
        [("POST", TASKS, KEY, TASK), ("GET", TASKS + "{last}", {}, "")],
        [("POST", TASKS[:-1], JSON, TASK)],
        [("POST", TASKS, KEY, TASK), ("POST", TASKS, KEY, TASK)],
        [("POST", TASKS, KEY, TASK), ("POST", TASKS, KEY, TASK.replace("2 + 2", "3"))],
        [("POST", TASKS, JSON | {"Idempotency-Key": "k" * 256}, TASK)],
        [("POST", TASKS, {}, TASK)],
        [("POST", TASKS, JSON, "")],
        [("POST", TASKS, JSON, "{")],
        [("POST", TASKS, JSON, '{"task_type": "nope"}')],
        [("POST", TASKS, JSON, '{"task_type": "agent_run", "input_data": {"goal": 1}, "x": 1}')],
        [("POST", TASKS, JSON, TASK.replace("2 + 2", "2" * 2000))],
        [("POST", TASKS, JSON | {"Authorization": "Bearer osk_x"}, TASK)],
        [
            (
                *("POST", TASKS, JSON | {"Authorization": "writer"}),
                TASK.replace("{", '{"webhook": "https://example.com", ', 1),
            )
        ],
        [("GET", TASKS + "task_missing", {}, "")],
        [("GET", TASKS + "%00", {}, "")],
        [
            ("POST", TASKS, JSON, TASK.replace("{", '{"budget": {"tokens": 9}, ', 1)),
            ("GET", TASKS + "{last}", {}, ""),
        ],
    ],
)
async def test_both_ways_answer_the_same(app: FastAPI, requests: list[Any]) -> None:
    """Status, headers and body, and what the gate is asked."""
    routed = await told(app, MemoryStore(FrozenClock()), LONG, *requests)
    assert routed == await told(app, MemoryStore(FrozenClock()), {}, *requests)


@pytest.mark.parametrize("store", [AwayStore, BuggyStore])
@pytest.mark.parametrize(
    "request_", [("POST", TASKS, JSON, TASK), ("GET", TASKS + "task_1", {}, "")]
)
async def test_both_ways_fail_the_same(
    app: FastAPI, store: type[MemoryStore], request_: Any
) -> None:
    """A store that is away, and one with a bug."""
    with capture_logs():  # nobody reads the tracebacks, which take long to be made pretty
        routed = await told(app, store(), LONG, request_)
        assert routed == await told(app, store(), {}, request_)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "is_short"),
    [
        ("POST", TASKS, b"", [], True),
        ("GET", TASKS + "task_missing", b"", [], True),
        ("POST", TASKS[:-1], b"", [], True),
        ("GET", TASKS + "task_1", b"a=1", [], False),
        ("GET", TASKS + "task_1", b"", [(b"prefer", b"wait=3")], False),
        ("GET", TASKS + "task_1/", b"", [], False),
        ("GET", TASKS + "task_1/steps", b"", [], False),
        ("GET", TASKS, b"", [], False),
        ("DELETE", TASKS + "task_1", b"", [], False),
    ],
)
async def test_only_plain_requests_go_the_short_way(
    app: FastAPI,
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    *,
    is_short: bool,
) -> None:
    """All others are left to the routes."""
    store = MemoryStore()
    app.state.services = services_of(service_over(store), store)
    routed = False

    async def routes(_scope: Scope, _receive: Receive, _send: Send) -> None:
        nonlocal routed
        routed = True

    async def receive() -> Message:
        return {"type": "http.request", "body": TASK.encode(), "more_body": False}

    async def send(_message: Message) -> None:
        """Whatever it is."""

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": headers,
        "app": app,
    }
    await ShortWay(routes, [Middleware(Edge, tally=Tally())])(scope, receive, send)
    assert is_short == (not routed)


def test_nothing_is_asked_of_every_route_that_the_short_way_does_not_ask(app: FastAPI) -> None:
    """A guard that is added to all routes has to be added to it too."""
    assert [admitted] == [dependency.dependency for dependency in app.router.dependencies]
