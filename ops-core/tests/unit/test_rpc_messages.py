"""gRPC: messages that are refused, and what the status says of their fields."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from door_support import (
    channel_to,
    raw,
    refused,
    request,
    service_over,
    struct,
    stub_of,
)
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import MemoryStore


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with channel_to(service_over(MemoryStore())) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return stub_of(channel)


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
    found = await refused(raw(channel, method, body))
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
    found = await refused(raw(channel, "CreateTask", body))
    assert {field: "is a field number that is not known"} == found.fields
