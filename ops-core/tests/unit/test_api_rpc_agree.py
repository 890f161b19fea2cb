"""One service behind two doors: the same request has the same answer through both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from door_support import (
    AwayStore,
    BuggyStore,
    channel_to,
    client_of,
    refused,
    service_over,
    stub_of,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.api.errors import STATUSES
from ops_core.ports import TaskStore
from ops_core.request import TaskRequest
from ops_core.rpc.status import CODES
from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import FrozenClock, MemoryStore, services_of

TASKS = "/api/v1/tasks/"
URN = "urn:opspawn:problem:"


@dataclass
class Doors:
    """Both doors of one service."""

    rest: httpx2.AsyncClient
    rpc: Any

    async def submit_rest(self, sent: dict[str, Any], **headers: str) -> httpx2.Response:
        return await self.rest.post(TASKS, json=sent, headers=headers)

    async def submit_rpc(self, sent: dict[str, Any]) -> tasks_pb2.CreateTaskResponse:
        answer: tasks_pb2.CreateTaskResponse = await self.rpc.CreateTask(message(sent))
        return answer


def message(sent: dict[str, Any]) -> tasks_pb2.CreateTaskRequest:
    """The message that says the same as a JSON body."""
    return ParseDict(sent, tasks_pb2.CreateTaskRequest())


@asynccontextmanager
async def doors_of(store: TaskStore) -> AsyncIterator[Doors]:
    service = service_over(store)
    async with client_of(create_app(services_of(service))) as rest, channel_to(service) as channel:
        yield Doors(rest, stub_of(channel))


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with doors_of(MemoryStore(FrozenClock())) as doors:
        yield doors


def problem(answer: httpx2.Response) -> tuple[str, list[str]]:
    found = answer.json()
    fields = [error["path"] for error in found.get("errors", [])]
    return found["type"].removeprefix(URN), fields


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"task_type": "nope"},
        {"task_type": "noop", "agent": "nobody"},
        {"task_type": "noop", "agent": ""},
        {"task_type": "noop", "name": "x" * 201},
        {"task_type": "noop", "thread_id": ""},
        {"task_type": "noop", "priority": 101},
        {"task_type": "noop", "deadline_s": -1},
        {"task_type": "noop", "scheduled_at": "1950-01-01T00:00:00Z"},
        {"task_type": "noop", "retry_policy": {"max_attempts": 0, "backoff_s": -1}},
        {"task_type": "noop", "output_schema": {"type": "object"}},
        {
            "task_type": "agent_run",
            "input_data": {"goal": "x"},
            "output_schema": {"type": "object", "minProperties": 1},
        },
        {
            "task_type": "agent_run",
            "input_data": {"goal": "x"},
            "output_schema": {"$ref": "https://example.org/schema"},
        },
        {"task_type": "noop", "labels": {"k": "x" * 256}},
        {"task_type": "noop", "labels": {str(n): "x" for n in range(65)}},
        {"task_type": "noop", "input_data": {"s": "\0"}},
        {"task_type": "noop", "input_data": {"n": 1e30}},
        {"task_type": "noop", "input_data": nested(32)},
        {"task_type": "agent_run"},
        {"task_type": "agent_run", "input_data": {"goal": ""}},
        {"task_type": "agent_run", "input_data": {"goal": "x", "prompt": "x"}},
        {"task_type": "agent_run", "input_data": {"goal": "x", "colour": "red"}},
        {
            "task_type": "agent_run",
            "input_data": {"goal": "x", "agent_config": {"llm_provider": "acme"}},
        },
    ],
)
async def test_both_doors_judge_a_request_alike(doors: Doors, sent: dict[str, Any]) -> None:
    """The same error type and the same fields; or both accept it and store the same input."""
    answer = await doors.submit_rest(sent)
    if answer.status_code == 201:
        task = (await doors.submit_rpc(sent)).task
        assert answer.json()["input_data"] == MessageToDict(task.input_data)
        return
    found = await refused(doors.rpc.CreateTask(message(sent)))
    assert problem(answer) == (found.type, [*found.fields])


def test_what_a_client_may_ask_for_is_the_same_through_both_doors() -> None:
    """A field that only one door has is one that a client of the other has to do without."""
    asked = set(TaskRequest.model_fields)
    fields = {field.name for field in tasks_pb2.CreateTaskRequest.DESCRIPTOR.fields}
    assert asked == fields - {"idempotency_key"}  # a header on REST


async def test_a_task_is_the_same_task_through_both_doors(doors: Doors) -> None:
    """What one door stores the other one shows, with the same values."""
    sent = {"task_type": "noop", "name": "sum", "labels": {"team": "a"}, "priority": 2}
    task = (await doors.submit_rpc(sent)).task
    shown = (await doors.rest.get(TASKS + task.task_id)).json()
    expected = MessageToDict(
        task, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    expected["status"] = expected["status"].lower()
    assert [] == expected.pop("waiting_for")  # a list has no null there
    for path in ("created_at", "updated_at"):
        expected[path] = expected[path].replace("Z", ".000000Z")
    expected["usage"] |= {"input_tokens": 0, "output_tokens": 0, "steps": 0}  # int64 is text there
    assert expected == {key: shown[key] for key in expected}
    absent = {key for key in shown if key not in expected}
    assert {None} == {shown[key] for key in absent}


@pytest.mark.parametrize(
    "sent",
    [
        {"task_type": "noop", "input_data": {"n": 17, "x": 1.5}},
        {"task_type": "noop", "scheduled_at": "2027-01-01T00:00:00Z", "deadline_s": 60},
        {"task_type": "noop", "retry_policy": {"max_attempts": 2}, "labels": {"b": "", "a": "x"}},
        {"task_type": "agent_run", "input_data": {"prompt": "2 + 2"}},
    ],
)
async def test_an_idempotency_key_is_one_key_for_both_doors(
    doors: Doors, sent: dict[str, Any]
) -> None:
    """A submit may be repeated through the other door."""
    first = await doors.submit_rest(sent, **{"Idempotency-Key": "k1"})
    again = await doors.submit_rpc({**sent, "idempotency_key": "k1"})
    assert again.replayed
    assert first.json()["task_id"] == again.task.task_id


async def test_both_doors_refuse_a_taken_key_alike(doors: Doors) -> None:
    """A key that REST used for another request is a conflict over gRPC."""
    await doors.submit_rest({"task_type": "noop"}, **{"Idempotency-Key": "k1"})
    other = {"task_type": "noop", "name": "other"}
    answer = await doors.submit_rest(other, **{"Idempotency-Key": "k1"})
    found = await refused(doors.submit_rpc({**other, "idempotency_key": "k1"}))
    assert ("idempotency_conflict", []) == problem(answer) == (found.type, [*found.fields])


async def test_a_cursor_of_one_door_leads_on_through_the_other(doors: Doors) -> None:
    """Pages are the service's, not a door's."""
    for _ in range(2):
        await doors.submit_rest({"task_type": "noop"})
    first = (await doors.rest.get(TASKS, params={"limit": 1})).json()
    query = tasks_pb2.ListTasksRequest(limit=1, cursor=first["next_cursor"])
    [last] = (await doors.rpc.ListTasks(query)).tasks
    assert first["tasks"][0]["task_id"] != last.task_id


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"cursor": "elsewhere"},
        {"label": "team"},
        {"agent": "\0"},
        {"thread_id": "x" * 101},
    ],
)
async def test_both_doors_judge_a_query_alike(doors: Doors, query: dict[str, Any]) -> None:
    """The same type and field; REST says besides that it was in the query."""
    answer = await doors.rest.get(TASKS, params=query)
    found = await refused(doors.rpc.ListTasks(tasks_pb2.ListTasksRequest(**query)))
    assert problem(answer) == (found.type, [f"query.{field}" for field in found.fields])


@pytest.mark.parametrize("store", [AwayStore(), BuggyStore(), MemoryStore()])
async def test_both_doors_name_what_is_not_there_or_broken_alike(store: TaskStore) -> None:
    """Away, a bug, or no such task: one type for both."""
    with capture_logs():
        async with doors_of(store) as doors:
            answer = await doors.rest.get(f"{TASKS}task_0")
            found = await refused(doors.rpc.GetTask(tasks_pb2.GetTaskRequest(task_id="task_0")))
            assert problem(answer) == (found.type, [])


def test_both_doors_know_the_same_errors() -> None:
    """An error that one door translates is not a bug for the other."""
    assert STATUSES.keys() == CODES.keys()
