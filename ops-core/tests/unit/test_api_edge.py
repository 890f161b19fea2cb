"""REST: what happens around a route, over a real socket or message by message."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from door_support import client_of, served, service_over
from fastapi import FastAPI
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.api.edge import Edge
from ops_core.metrics import Tally
from ops_core.testing import MemoryStore, services_of

TASKS = "/api/v1/tasks/"
LIMIT = 10_000
CHUNK = b" " * 1000


def app_with(**options: Any) -> FastAPI:
    return create_app(services_of(service_over(MemoryStore())), **options)


class Client:
    """The client's side of one ASGI request, whose messages are given out one by one."""

    def __init__(self, *messages: dict[str, Any], content_length: int | None = None) -> None:
        self.waiting = [*messages]
        self.sent: list[dict[str, Any]] = []
        self.headers = [(b"content-type", b"application/json")]
        if content_length is not None:
            self.headers.append((b"content-length", str(content_length).encode()))

    async def ask(self, app: Any) -> int | None:
        """Posts a task; the status, or None when nothing was answered."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": TASKS,
            "raw_path": TASKS.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
        }
        await app(scope, self._receive, self._send)
        return self.sent[0]["status"] if self.sent else None

    async def _receive(self) -> dict[str, Any]:
        if not self.waiting:
            await asyncio.Event().wait()
        return self.waiting.pop(0)

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def chunks(count: int) -> list[dict[str, Any]]:
    return [{"type": "http.request", "body": CHUNK, "more_body": True}] * count


async def stream(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield CHUNK


async def test_two_megabytes_are_refused_over_a_socket() -> None:
    """413 as a problem, whether the size is announced or not, and the server goes on."""
    headers = {"content-type": "application/json"}
    async with served(app_with()) as client:
        announced = await client.post(TASKS, content=b" " * 2_000_000, headers=headers)
        chunked = await client.post(TASKS, content=stream(2000), headers=headers)
        for answer in (announced, chunked):
            assert (413, "urn:opspawn:problem:body_too_large") == (
                answer.status_code,
                answer.json()["type"],
            )
            assert "1048576" in answer.json()["detail"]
        assert 200 == (await client.get("/health")).status_code


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit is the largest size that is accepted."""
    body = b'{"task_type": "noop"}'
    headers = {"content-type": "application/json"}
    for limit, status in ((len(body), 201), (len(body) - 1, 413)):
        async with client_of(app_with(max_body_bytes=limit)) as client:
            answer = await client.post(TASKS, content=body, headers=headers)
            assert status == answer.status_code


async def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    """Nothing of it is taken from the socket."""
    client = Client(*chunks(20), content_length=20_000)
    assert 413 == await client.ask(app_with(max_body_bytes=LIMIT))
    assert 20 == len(client.waiting)


async def test_a_body_larger_than_announced_is_read_up_to_the_limit() -> None:
    """A Content-Length that lies does not open the door wider."""
    client = Client(*chunks(20), content_length=10)
    assert 413 == await client.ask(app_with(max_body_bytes=LIMIT))
    assert 20 - LIMIT // len(CHUNK) - 1 == len(client.waiting)


async def test_a_body_that_never_ends_is_given_up() -> None:
    """A client that sends half a body and waits does not hold a request for ever."""
    client = Client(*chunks(1))
    assert 408 == await client.ask(app_with(body_timeout_s=0.01))


async def test_a_client_that_goes_away_is_no_error() -> None:
    """A connection closed inside a body leaves no error in the log and stores nothing."""
    client = Client(*chunks(1), {"type": "http.disconnect"})
    app = app_with()
    with capture_logs() as lines:
        await client.ask(app)
    assert [] == lines
    async with client_of(app) as other:
        assert 0 == (await other.get(TASKS)).json()["total"]


async def test_a_clients_own_request_id_is_kept() -> None:
    """A request can be followed from the client's log into ours."""
    async with client_of(app_with()) as client:
        answer = await client.get("/nowhere", headers={"X-Request-Id": "job-7.3"})
    assert ("job-7.3", "job-7.3") == (answer.headers["x-request-id"], answer.json()["request_id"])


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "new\nline", "<b>"])
async def test_a_request_id_that_is_not_safe_to_log_is_replaced(given: str) -> None:
    """No client writes what it likes into our log or our headers."""
    async with client_of(app_with()) as client:
        answer = await client.get("/health", headers={b"X-Request-Id": given.encode()})
    assert given != answer.headers["x-request-id"]
    assert 32 == len(answer.headers["x-request-id"])


async def test_half_an_answer_is_not_made_to_look_whole() -> None:
    """After the headers are out an error breaks the connection, as the server must."""

    async def breaks(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with capture_logs(), pytest.raises(ZeroDivisionError):
        await Client().ask(Edge(breaks, tally=Tally()))


async def test_the_door_answers_over_a_socket() -> None:
    """A submit, a read and a replay, as a client sees them on the wire."""
    key = {"Idempotency-Key": "k1"}
    async with served(app_with()) as client:
        answers: list[httpx2.Response] = [
            await client.post("/api/v1/tasks", json={"task_type": "noop"}, headers=key)
        ]
        answers.append(await client.get(answers[0].headers["location"]))
        answers.append(await client.post(TASKS, json={"task_type": "noop"}, headers=key))
    assert [201, 200, 200] == [answer.status_code for answer in answers]
    assert 1 == len({answer.text for answer in answers})
