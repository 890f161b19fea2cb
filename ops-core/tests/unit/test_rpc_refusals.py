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
    refused,
    service_over,
    stub_of,
)
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import MemoryStore

SERVICE = "/ops_core.rpc.v1.TaskService/"

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


def request(**fields: Any) -> tasks_pb2.CreateTaskRequest:
    return tasks_pb2.CreateTaskRequest(**{"task_type": "noop", **fields})


def struct(**fields: Any) -> Struct:
    message = Struct()
    message.update(fields)
    return message


def number(value: float) -> Struct:
    return Struct(fields={"n": Value(number_value=value)})


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (tasks_pb2.CreateTaskRequest(), "task_type"),
        (request(task_type="nope"), "task_type"),
        (request(agent="nobody"), "agent"),
        (request(agent=""), "agent"),
        (request(priority=101), "priority"),
        (request(deadline_s=0), "deadline_s"),
        (request(deadline_s=float("nan")), "deadline_s"),
        (request(idempotency_key=""), "Idempotency-Key"),
        (request(scheduled_at=Timestamp(seconds=2**62)), "scheduled_at"),
        (request(scheduled_at=Timestamp(seconds=-(10**10))), "scheduled_at"),
        (request(labels={"": "x"}), "labels"),
        (
            request(retry_policy=tasks_pb2.RetryPolicy(max_attempts=0)),
            "retry_policy.max_attempts",
        ),
        (request(input_data=struct(s="\0")), "input_data.s"),
        (request(input_data=number(float("inf"))), "input_data.n"),
        (request(task_type="agent_run"), "input_data.goal"),
        (
            request(
                task_type="agent_run",
                input_data=struct(goal="x", agent_config={"llm_provider": "acme"}),
            ),
            "input_data.agent_config.llm_provider",
        ),
    ],
)
async def test_a_wrong_request_is_refused_and_nothing_is_stored(
    stub: Any, sent: tasks_pb2.CreateTaskRequest, field: str
) -> None:
    """INVALID_ARGUMENT whose violation begins with the field that is wrong."""
    found = await refused(stub.CreateTask(sent))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request") == (found.code, found.type)
    [name] = found.fields
    assert name.startswith(field)
    assert 0 == (await stub.ListTasks(tasks_pb2.ListTasksRequest())).total


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"cursor": "elsewhere"}, "cursor"),
        ({"label": "team"}, "label"),
        ({"agent": "\0"}, "agent"),
        ({"status": 99}, "status"),
        ({"created_after": Timestamp(seconds=2**62)}, "created_after"),
    ],
)
async def test_a_wrong_query_is_named(stub: Any, query: dict[str, Any], field: str) -> None:
    """The same bounds as on REST."""
    found = await refused(stub.ListTasks(tasks_pb2.ListTasksRequest(**query)))
    assert grpc.StatusCode.INVALID_ARGUMENT == found.code
    assert {field} == found.fields.keys()


def deep(levels: int) -> bytes:
    """A CreateTaskRequest, built by hand, whose input nests so deep that no library would encode it."""
    value = b""
    for _ in range(levels):
        # Value.struct_value → Struct.fields → entry of key "a" → the value so far
        entry = b"\x0a\x01a\x12" + varint(len(value)) + value
        fields = b"\x0a" + varint(len(entry)) + entry
        value = b"\x2a" + varint(len(fields)) + fields
    return b"\x0a\x04noop\x12" + varint(len(value)) + value


def varint(value: int) -> bytes:
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("GetTask", b"\xff\xff\xff"),
        ("GetTask", b"\x0a\x03\xed\xa0\x80"),  # a lone surrogate
        ("CreateTask", deep(1000)),
    ],
)
async def test_bytes_that_are_no_message_are_the_callers_fault(
    channel: grpc.aio.Channel, method: str, body: bytes
) -> None:
    """INVALID_ARGUMENT, where the runtime alone would claim an internal error."""
    found = await refused(channel.unary_unary(f"{SERVICE}{method}")(body))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request") == (found.code, found.type)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"\x0a\x04noop\xf8\x06\x01", "111"),
        (b"\x08\x01", "1"),  # task_type as a number: another type is another field
        (b"\x0a\x04noop\x52\x03\xf8\x06\x01", "retry_policy.111"),
    ],
)
async def test_a_field_that_this_server_does_not_know_is_refused(
    channel: grpc.aio.Channel, body: bytes, field: str
) -> None:
    """What a newer client asks for is not dropped in silence, at any level."""
    found = await refused(channel.unary_unary(f"{SERVICE}CreateTask")(body))
    assert {field: "is a field number that is not known"} == found.fields


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
    found = await refused(channel.unary_unary(f"{SERVICE}RetryTask")(b""))
    assert grpc.StatusCode.UNIMPLEMENTED == found.code
