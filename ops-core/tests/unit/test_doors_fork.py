"""`POST /tasks/{id}/fork` and `ForkTask`: one service behind both."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from door_support import channel_to, client_of, refused, struct, stub_of
from google.protobuf.json_format import MessageToDict

from ops_core.api import create_app
from ops_core.ports import TaskType
from ops_core.request import parse_request
from ops_core.rpc.v1 import tasks_pb2
from ops_core.service import TaskService
from ops_core.testing import FrozenClock, MemoryStore, services_of

pytestmark = pytest.mark.unit

ECHO = TaskType(
    name="echo",
    input_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "goal": {"type": "string", "minLength": 1},
            "config": {
                "type": "object",
                "properties": {"model": {"type": "string"}, "steps": {"type": "integer"}},
            },
        },
    },
    overrides={"goal": ("goal",), "model": ("config", "model")},
)


@dataclass
class Doors:
    """Both doors of one service, and a task to fork."""

    rest: httpx2.AsyncClient
    rpc: Any
    task_id: str

    async def fork(self, body: Any, **headers: str) -> httpx2.Response:
        path = f"/api/v1/tasks/{self.task_id}/fork"
        return await self.rest.post(path, json=body, headers=headers)

    def fork_rpc(self, **fields: Any) -> Any:
        return self.rpc.ForkTask(tasks_pb2.ForkTaskRequest(task_id=self.task_id, **fields))


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    service = TaskService(MemoryStore(FrozenClock()), {"echo": ECHO}, lambda *_: None)
    sent = {"task_type": "echo", "input_data": {"goal": "add", "config": {"steps": 3}}}
    task = (await service.submit(parse_request(sent), tenant_id="default")).task
    async with client_of(create_app(services_of(service))) as rest, channel_to(service) as channel:
        yield Doors(rest, stub_of(channel), task.task_id)


async def test_a_fork_is_created_at_a_place_of_its_own(doors: Doors) -> None:
    """201, Location, the new task."""
    answer = await doors.fork({"after_seq": 1})
    task_id = answer.json()["task_id"]
    assert 201 == answer.status_code
    assert f"/api/v1/tasks/{task_id}" == answer.headers["location"]
    assert doors.task_id != task_id


async def test_short_names_have_their_place_in_the_input(doors: Doors) -> None:
    """What is not named stays as it was; null takes it out."""
    sent = {"goal": "multiply", "model": "m", "input_data": {"config": {"steps": None}}}
    answer = await doors.fork({"after_seq": 1, "overrides": sent})
    assert {"goal": "multiply", "config": {"model": "m"}} == answer.json()["input_data"]
    forked = await doors.fork_rpc(after_seq=1, overrides=struct(**sent))
    assert answer.json()["input_data"] == MessageToDict(forked.task.input_data)


async def test_a_key_stores_one_fork_whichever_door_it_comes_through(doors: Doors) -> None:
    """And says so."""
    first = await doors.fork({"after_seq": 1}, **{"Idempotency-Key": "k"})
    again = await doors.fork({"after_seq": 1}, **{"Idempotency-Key": "k"})
    third = await doors.fork_rpc(after_seq=1, idempotency_key="k")
    assert (200, "true") == (again.status_code, again.headers["idempotent-replay"])
    assert third.replayed
    assert 1 == len({first.json()["task_id"], again.json()["task_id"], third.task.task_id})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "after_seq"),
        ({"after_seq": 0}, "after_seq"),
        ({"after_seq": 2}, "after_seq"),
        ({"after_seq": 1, "overrides": {"colour": 1}}, "overrides.colour"),
        ({"after_seq": 1, "overrides": {"input_data": 1}}, "overrides.input_data"),
        ({"after_seq": 1, "overrides": {"tool_results": []}}, "overrides.tool_results"),
        ({"after_seq": 1, "overrides": {"tool_results": {"1/t": 1}}}, "overrides.tool_results.1/t"),
        ({"after_seq": 1, "overrides": {"goal": ""}}, "input_data.goal"),
    ],
)
async def test_both_doors_name_the_same_wrong_field(
    doors: Doors, body: dict[str, Any], path: str
) -> None:
    """Nothing is stored for it."""
    answer = await doors.fork(body)
    found = [error["path"] for error in answer.json()["errors"]]
    fields = {"after_seq": body.get("after_seq", 0)}
    if "overrides" in body:
        fields["overrides"] = struct(**body["overrides"])
    said = await refused(doors.fork_rpc(**fields))
    assert (422, [path], [path]) == (answer.status_code, found, [*said.fields])
    assert 1 == (await doors.rest.get("/api/v1/tasks/")).json()["total"]


async def test_what_is_not_there_cannot_be_forked(doors: Doors) -> None:
    """404, NOT_FOUND."""
    doors.task_id = "task_none"
    assert 404 == (await doors.fork({"after_seq": 1})).status_code
    assert "task_not_found" == (await refused(doors.fork_rpc(after_seq=1))).type


async def test_the_body_is_json_that_says_so(doors: Doors) -> None:
    """As for a submit: any page in a browser could send anything else."""
    path = f"/api/v1/tasks/{doors.task_id}/fork"
    answer = await doors.rest.post(path, content=b'{"after_seq": 1}')
    assert 415 == answer.status_code
