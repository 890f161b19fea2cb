"""gRPC: what is refused, and what a client can read from the status."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from door_support import (
    SECRET,
    AwayStore,
    BuggyStore,
    HangingStore,
    channel_to,
    raw,
    refused,
    request,
    service_over,
    struct,
    stub_of,
)
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import MemoryStore

CALLS = {
    "CreateTask": tasks_pb2.CreateTaskRequest(task_type="noop"),
    "GetTask": tasks_pb2.GetTaskRequest(task_id="task_1"),
    "ListTasks": tasks_pb2.ListTasksRequest(),
    "CancelTask": tasks_pb2.CancelTaskRequest(task_id="task_1"),
}


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with channel_to(service_over(MemoryStore())) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return stub_of(channel)


async def test_a_task_that_is_not_there_is_not_found(stub: Any) -> None:
    """Reading and cancelling it answer alike."""
    calls = [
        stub.GetTask(tasks_pb2.GetTaskRequest(task_id="task_0")),
        stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id="task_0")),
    ]
    for call in calls:
        found = await refused(call)
        assert (grpc.StatusCode.NOT_FOUND, "task_not_found") == (found.code, found.type)


async def test_a_task_without_an_id_is_named(stub: Any) -> None:
    """An empty id is a field that was forgotten."""
    found = await refused(stub.GetTask(tasks_pb2.GetTaskRequest()))
    assert {"task_id": "is required"} == found.fields


async def test_a_key_with_another_request_is_a_conflict(stub: Any) -> None:
    """The same key cannot stand for two requests: ALREADY_EXISTS."""
    await stub.CreateTask(request(idempotency_key="k1"))
    found = await refused(stub.CreateTask(request(idempotency_key="k1", priority=1)))
    assert (grpc.StatusCode.ALREADY_EXISTS, "idempotency_conflict") == (found.code, found.type)


async def test_a_thousand_wrong_fields_fit_into_the_metadata(stub: Any) -> None:
    """Clients drop a status whose metadata is too large: the details are bounded."""
    labels = {f"{n}" + "é" * 200: "x" for n in range(1000)}
    found = await refused(stub.CreateTask(request(labels=labels)))
    assert "invalid_request" == found.type
    assert 1 <= len(found.fields) < 20


async def test_a_message_of_two_megabytes_is_refused(stub: Any) -> None:
    """RESOURCE_EXHAUSTED from the runtime: the message is not even read."""
    sent = request(input_data=struct(s="x" * 2_000_000))
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == (await refused(stub.CreateTask(sent))).code


@pytest.mark.parametrize("method", CALLS)
async def test_a_store_that_is_away_is_unavailable(method: str) -> None:
    """The client learns when to come back, and nothing about our hosts."""
    async with channel_to(service_over(AwayStore())) as channel:
        found = await refused(getattr(stub_of(channel), method)(CALLS[method]))
    assert (grpc.StatusCode.UNAVAILABLE, "store_unavailable", 2) == (
        found.code,
        found.type,
        found.retry_after_s,
    )
    assert SECRET not in found.message


@pytest.mark.parametrize("method", CALLS)
async def test_a_bug_is_internal_without_a_word_of_it(method: str) -> None:
    """The log has the error under the id that the client got; the status has no trace of it."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with channel_to(service_over(BuggyStore())) as channel:
            found = await refused(getattr(stub_of(channel), method)(CALLS[method]))
    assert (grpc.StatusCode.INTERNAL, "internal") == (found.code, found.type)
    assert not [word for word in (SECRET, "ZeroDivision", "Traceback") if word in found.message]
    [line] = lines
    assert ("call_failed", found.request_id, True) == (
        line["event"],
        line["request_id"],
        line["exc_info"],
    )


async def test_a_deadline_of_the_client_ends_the_work() -> None:
    """DEADLINE_EXCEEDED for the client, and the server stops what nobody waits for."""
    store = HangingStore()
    async with channel_to(service_over(store)) as channel:
        call = stub_of(channel).GetTask(tasks_pb2.GetTaskRequest(task_id="task_1"), timeout=0.2)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == (await refused(call)).code
        await store.stopped.wait()


async def test_a_method_of_later_is_unimplemented(channel: grpc.aio.Channel) -> None:
    """A method that does not exist is not a stub that fails."""
    found = await refused(raw(channel, "PauseTask", b""))
    assert grpc.StatusCode.UNIMPLEMENTED == found.code
