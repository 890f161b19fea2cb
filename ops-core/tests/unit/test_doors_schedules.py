"""Schedules behind two doors: the same schedules, the same rules, the same errors."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from door_support import TYPES, channel_to, client_of, refused, struct, stub_of
from google.protobuf.json_format import MessageToDict, ParseDict

from ops_core.api import create_app
from ops_core.rpc.v1 import schedules_pb2, schedules_pb2_grpc
from ops_core.service import TaskService
from ops_core.testing import FrozenClock, MemorySchedules, MemoryStore, services_of

pytestmark = pytest.mark.unit

PATH = "/api/v1/schedules/"
URN = "urn:opspawn:problem:"
SENT = {"name": "s", "cron": "0 7 * * *", "task": {"task_type": "noop"}}


class Doors:
    """Both doors of one service, and what was rung for."""

    def __init__(self, rest: httpx2.AsyncClient, rpc: Any, rung: list[str]) -> None:
        self.rest, self.rpc, self.rung = rest, rpc, rung

    async def create(self, **fields: Any) -> dict[str, Any]:
        answer = await self.rest.post(PATH, json={**SENT, **fields})
        assert 201 == answer.status_code, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    clock = FrozenClock()
    store = MemoryStore(clock)
    rung: list[str] = []
    tasks = TaskService(store, TYPES, lambda _queue, task_id: rung.append(task_id))
    services = services_of(tasks, schedules=MemorySchedules(store, clock))
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield Doors(rest, stub_of(channel, schedules_pb2_grpc.ScheduleServiceStub), rung)


def problem(answer: httpx2.Response) -> tuple[str, list[str]]:
    found = answer.json()
    fields = [error["path"] for error in found.get("errors", [])]
    return found["type"].removeprefix(URN), fields


@pytest.mark.parametrize(
    "wrong",
    [
        {"cron": None},
        {"every_s": 60},
        {"cron": "0 0 0 * * *"},
        {"cron": None, "every_s": 0},
        {"name": ""},
        {"time_zone": "Mars/Base"},
        {"overlap": "maybe"},
        {"missed": "maybe"},
        {"catchup_window_s": -1},
        {"jitter_s": 1e9},
        {"labels": {"k": "x" * 256}},
        {"start_at": "2027-01-02T00:00:00Z", "end_at": "2027-01-01T00:00:00Z"},
        {"task": {}},
        {"task": {"task_type": "nope"}},
        {"task": {"task_type": "noop", "agent": "nobody"}},
        {"task": {"task_type": "noop", "scheduled_at": "2027-01-01T00:00:00Z"}},
        {"task": {"task_type": "noop", "parent_task_id": "task_1"}},
        {"task": {"task_type": "agent_run", "input_data": {"goal": ""}}},
        {"task": {"task_type": "noop", "input_data": {"s": "\0"}}},
    ],
)
async def test_both_doors_judge_a_schedule_alike(doors: Doors, wrong: dict[str, Any]) -> None:
    """The same type and the same fields, and nothing is stored."""
    sent = {key: value for key, value in {**SENT, **wrong}.items() if value is not None}
    answer = await doors.rest.post(PATH, json=sent)
    message = ParseDict(sent, schedules_pb2.CreateScheduleRequest())
    found = await refused(doors.rpc.CreateSchedule(message))
    assert 422 == answer.status_code
    assert problem(answer) == (found.type, [*found.fields])
    assert "invalid_request" == found.type
    assert 0 == (await doors.rest.get(PATH)).json()["total"]


async def test_a_schedule_is_the_same_through_both_doors(doors: Doors) -> None:
    """What one door stores the other one shows, with the same values."""
    sent = {**SENT, "labels": {"a": "b"}, "start_at": "2026-02-01T00:00:00Z", "jitter_s": 3}
    message = ParseDict(sent, schedules_pb2.CreateScheduleRequest())
    made = (await doors.rpc.CreateSchedule(message)).schedule
    shown = (await doors.rest.get(PATH + made.schedule_id)).json()
    expected = MessageToDict(
        made, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for name in ("created_at", "updated_at", "next_fire_at", "start_at"):
        expected[name] = expected[name].replace("Z", ".000000Z")
    assert expected == {name: shown[name] for name in expected}
    assert {None} == {shown[name] for name in shown if name not in expected}
    assert ("2026-02-01T07:00:00.000000Z", "skip", "run_once", "UTC") == (
        shown["next_fire_at"],
        shown["overlap"],
        shown["missed"],
        shown["time_zone"],
    )


async def test_a_schedule_is_found_where_its_creation_said(doors: Doors) -> None:
    """`Location`, with and without a slash at the end."""
    answer = await doors.rest.post(PATH, json=SENT)
    place = answer.headers["Location"]
    assert answer.json() == (await doors.rest.get(place)).json()
    assert answer.json() == (await doors.rest.get(f"{place}/")).json()


async def test_both_doors_name_what_is_not_there_or_taken_alike(doors: Doors) -> None:
    """No such schedule, and a name that another one has."""
    answer = await doors.rest.get(f"{PATH}sch_0")
    found = await refused(doors.rpc.GetSchedule(schedules_pb2.GetScheduleRequest(schedule_id="x")))
    assert ("schedule_not_found", []) == problem(answer) == (found.type, [])
    await doors.create()
    answer = await doors.rest.post(PATH, json=SENT)
    message = ParseDict(SENT, schedules_pb2.CreateScheduleRequest())
    found = await refused(doors.rpc.CreateSchedule(message))
    assert (409, "schedule_exists") == (answer.status_code, found.type)
    assert ("schedule_exists", []) == problem(answer)


async def test_what_is_named_is_changed_and_the_rest_stays(doors: Doors) -> None:
    """Through both doors; a change is judged as a whole schedule."""
    made = await doors.create(labels={"a": "b"})
    change = {"cron": None, "every_s": 60}
    answer = await doors.rest.patch(PATH + made["schedule_id"], json=change)
    assert (None, 60, {"a": "b"}) == tuple(answer.json()[k] for k in ("cron", "every_s", "labels"))
    request = schedules_pb2.ChangeScheduleRequest(schedule_id=made["schedule_id"])
    request.change.CopyFrom(struct(name="t", every_s=30))
    changed = (await doors.rpc.ChangeSchedule(request)).schedule
    assert ("t", 30, False) == (changed.name, changed.every_s, changed.HasField("cron"))
    wrongs: list[dict[str, Any]] = [
        {"cron": "0 7 * * *"},
        {"colour": "red"},
        {"time_zone": None},
        {"task": {}},
    ]
    for wrong in wrongs:
        answer = await doors.rest.patch(PATH + made["schedule_id"], json=wrong)
        request.change.CopyFrom(struct(**wrong))
        found = await refused(doors.rpc.ChangeSchedule(request))
        assert 422 == answer.status_code, wrong
        assert problem(answer) == (found.type, [*found.fields])


async def test_a_schedule_is_paused_and_resumed_through_either_door(doors: Doors) -> None:
    """The reason is shown; without a body there is none."""
    made = await doors.create()
    schedule_id = made["schedule_id"]
    pause = schedules_pb2.PauseScheduleRequest(schedule_id=schedule_id, reason="holidays")
    paused = (await doors.rpc.PauseSchedule(pause)).schedule
    assert ("holidays", False) == (paused.paused_reason, paused.HasField("next_fire_at"))
    resumed = await doors.rest.post(f"{PATH}{schedule_id}/resume")
    assert made["next_fire_at"] == resumed.json()["next_fire_at"]
    again = await doors.rest.post(f"{PATH}{schedule_id}/pause")
    assert (200, None) == (again.status_code, again.json()["paused_reason"])
    resume = schedules_pb2.ResumeScheduleRequest(schedule_id=schedule_id)
    assert (await doors.rpc.ResumeSchedule(resume)).schedule.HasField("next_fire_at")
    sent = await doors.rest.post(f"{PATH}{schedule_id}/pause", json={"reason": "x"})
    assert "x" == sent.json()["paused_reason"]


async def test_a_trigger_is_a_task_that_is_rung_for(doors: Doors) -> None:
    """Once for one key, whichever door; the history shows it as asked for by a person."""
    made = await doors.create()
    path = f"{PATH}{made['schedule_id']}"
    first = await doors.rest.post(f"{path}/trigger", headers={"Idempotency-Key": "k"})
    request = schedules_pb2.TriggerScheduleRequest(
        schedule_id=made["schedule_id"], idempotency_key="k"
    )
    again = await doors.rpc.TriggerSchedule(request)
    assert (201, True) == (first.status_code, again.replayed)
    task_id = first.json()["task_id"]
    assert [task_id] == doors.rung
    assert task_id == again.task.task_id
    assert first.json() == (await doors.rest.get(first.headers["Location"])).json()
    [firing] = (await doors.rest.get(f"{path}/firings")).json()["firings"]
    assert (1, "task", True, task_id) == (
        firing["number"],
        firing["outcome"],
        firing["manual"],
        firing["task_id"],
    )
    query = schedules_pb2.ListFiringsRequest(schedule_id=made["schedule_id"])
    [message] = (await doors.rpc.ListFirings(query)).firings
    assert (1, "task", task_id) == (message.number, message.outcome, message.task_id)


async def test_the_next_firings_are_foretold(doors: Doors) -> None:
    """Also of a paused schedule; the same through both doors."""
    made = await doors.create(time_zone="Europe/Berlin")
    path = f"{PATH}{made['schedule_id']}"
    await doors.rest.post(f"{path}/pause")
    times = (await doors.rest.get(f"{path}/next", params={"count": 2})).json()["times"]
    assert ["2026-01-01T06:00:00.000000Z", "2026-01-02T06:00:00.000000Z"] == times
    query = schedules_pb2.ListUpcomingRequest(schedule_id=made["schedule_id"], count=2)
    told = [at.ToJsonString() for at in (await doors.rpc.ListUpcoming(query)).times]
    assert [time.replace(".000000", "") for time in times] == told
    query.count = 101
    assert ["count"] == [*(await refused(doors.rpc.ListUpcoming(query))).fields]
    answer = await doors.rest.get(f"{path}/next", params={"count": 101})
    assert ("invalid_request", ["query.count"]) == problem(answer)


async def test_a_deleted_schedule_is_gone(doors: Doors) -> None:
    """204 over REST, an empty answer over gRPC, and 404 from then on."""
    one, two = await doors.create(), await doors.create(name="two")
    gone = await doors.rest.delete(PATH + one["schedule_id"])
    assert (204, b"") == (gone.status_code, gone.content)
    request = schedules_pb2.DeleteScheduleRequest(schedule_id=two["schedule_id"])
    await doors.rpc.DeleteSchedule(request)
    assert 404 == (await doors.rest.get(PATH + two["schedule_id"])).status_code
    assert "schedule_not_found" == (await refused(doors.rpc.DeleteSchedule(request))).type


async def test_pages_go_on_through_the_other_door(doors: Doors) -> None:
    """A cursor is the service's, not a door's; one from elsewhere is refused by its name."""
    await doors.create()
    await doors.create(name="two")
    first = (await doors.rest.get(PATH, params={"limit": 1})).json()
    query = schedules_pb2.ListSchedulesRequest(limit=1, cursor=first["next_cursor"])
    [last] = (await doors.rpc.ListSchedules(query)).schedules
    assert {"s", "two"} == {first["schedules"][0]["name"], last.name}
    query.cursor = "x"
    assert ["cursor"] == [*(await refused(doors.rpc.ListSchedules(query))).fields]
    answer = await doors.rest.get(PATH, params={"cursor": "x"})
    assert ("invalid_request", ["query.cursor"]) == problem(answer)


async def test_a_template_keeps_no_secret(doors: Doors) -> None:
    """Whoever may read schedules would read it; the refusal says what to do instead."""
    secret = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    hooked = {"task_type": "noop", "webhook": {"url": "https://example.org/", "secret": secret}}
    answer = await doors.rest.post(PATH, json={**SENT, "task": hooked})
    assert ("invalid_request", ["task.webhook.secret"]) == problem(answer)
    assert "/api/v1/webhooks" in answer.text
    assert secret not in answer.text
    made = await doors.create()
    changed = await doors.rest.patch(f"{PATH}{made['schedule_id']}", json={"task": hooked})
    assert ("invalid_request", ["task.webhook.secret"]) == problem(changed)
