"""Who is let in, at both doors over one guard: the same refusals."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from door_support import refused, stub_of
from guarded_doors import GuardedDoors, guarded_doors, metadata

from ops_core.rpc.v1 import tasks_pb2
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit


@pytest.fixture
async def doors() -> AsyncIterator[GuardedDoors]:
    async with guarded_doors() as doors:
        yield doors


async def test_nobody_comes_in_without_a_key(doors: GuardedDoors) -> None:
    """401 with the challenge, UNAUTHENTICATED, the same type."""
    status, type_, detail = await doors.rest_refusal(None)
    call = await doors.rpc_refusal(None)
    assert (401, "unauthenticated") == (status, type_)
    assert (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated") == (call.code, call.type)
    assert detail == call.message
    answer = await doors.send("GET", "/tasks/", None)
    assert 'Bearer realm="opspawn"' == answer.headers["WWW-Authenticate"]
    wrong = await doors.send("GET", "/tasks/", "osk_nonsense")
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]


async def test_a_missing_scope_is_named_at_both_doors(doors: GuardedDoors) -> None:
    """403 and PERMISSION_DENIED."""
    key = await doors.key(Scope.TASKS_READ)
    status, type_, detail = await doors.rest_refusal(key)
    call = await doors.rpc_refusal(key)
    assert (403, "missing_scope") == (status, type_)
    assert (grpc.StatusCode.PERMISSION_DENIED, "missing_scope") == (call.code, call.type)
    assert "tasks:write" in detail
    assert detail == call.message
    answer = await doors.send("POST", "/tasks/task_1/cancel", key)
    assert 'error="insufficient_scope", scope="tasks:write"' in answer.headers["WWW-Authenticate"]


async def test_who_asks_too_often_is_told_when_to_come_back(doors: GuardedDoors) -> None:
    """429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo."""
    one, other = [await doors.key(requests_per_minute=6, burst=1) for _ in range(2)]
    assert 404 == (await doors.rest_refusal(one))[0]
    answer = await doors.send("GET", "/tasks/", one)
    assert (429, "10") == (answer.status_code, answer.headers["Retry-After"])
    assert grpc.StatusCode.NOT_FOUND is (await doors.rpc_refusal(other)).code
    call = await doors.rpc_refusal(other)
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests", 10) == (
        call.code,
        call.type,
        call.retry_after_s,
    )


async def test_who_comes_is_asked_before_anything_else_is_looked_at(doors: GuardedDoors) -> None:
    """A wrong body, a wrong parameter and a task that there is not say nothing to a stranger."""
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/tasks/", {"content": b"{"}),
        ("GET", "/tasks/?nonsense=1", {}),
        ("GET", "/tasks/?limit=1&limit=2", {}),
        ("GET", "/tasks/task_1", {}),
        ("GET", "/tasks/task_1/", {}),
        ("POST", "/api-keys", {"content": b"x" * 2_000_000}),
    ]
    for method, path, more in requests:
        answer = await doors.send(method, path, None, **more)
        assert 401 == answer.status_code, path
    call: Any = doors.channel.unary_unary("/ops_core.rpc.v1.TaskService/CreateTask")
    assert grpc.StatusCode.UNAUTHENTICATED is (await refused(call(b"\xff\xff"))).code


async def test_a_stream_is_let_in_as_any_other_call(doors: GuardedDoors) -> None:
    """Before its first message, over either door."""
    request = tasks_pb2.WatchTaskRequest(task_id="task_1")
    call = await refused(stub_of(doors.channel).WatchTask(request).read())
    assert (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated") == (call.code, call.type)
    headers = {"Accept": "text/event-stream"}
    answer = await doors.rest.get("/api/v1/tasks/task_1/events", headers=headers)
    assert 401 == answer.status_code
    known = stub_of(doors.channel).WatchTask(request, metadata=metadata(await doors.key()))
    assert grpc.StatusCode.NOT_FOUND is (await refused(known.read())).code


async def test_paths_that_there_are_not_are_no_secret(doors: GuardedDoors) -> None:
    """The documents say which there are; 404 and 405 come without a key."""
    assert 404 == (await doors.send("GET", "/nothing", None)).status_code
    assert 405 == (await doors.send("PUT", "/tasks/", None)).status_code
    assert 200 == (await doors.rest.get("/openapi.json")).status_code
    assert 200 == (await doors.rest.get("/health")).status_code
    assert 200 == (await doors.rest.get("/ready")).status_code
