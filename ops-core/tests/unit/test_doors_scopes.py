"""Rights that only a body asks for: at every door the same refusal."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2
import pytest
from door_support import channel_to, client_of, refused, request, service_over, struct, stub_of

from ops_core.api import create_app
from ops_core.errors import MissingScope
from ops_core.identity.gate import OpenGate
from ops_core.identity.needs import check_needs
from ops_core.mcp.desk import Call, Desk
from ops_core.mcp.tools import TOOLS
from ops_core.principal import Principal
from ops_core.rpc.v1 import (
    schedules_pb2,
    schedules_pb2_grpc,
    tasks_pb2,
    webhooks_pb2,
    webhooks_pb2_grpc,
)
from ops_core.scopes import Scope
from ops_core.services import Services
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit

HOOK = {"url": "https://example.org/hook"}
TASK = {"task_type": "noop", "webhook": HOOK}
SCHEDULE = {"name": "s", "cron": "0 7 * * *", "task": TASK}
DECIDES: dict[str, Any] = HOOK | {"events": ["approval.requested"], "decides": True}
DECIDED = TASK | {"webhook": DECIDES}
WORKER = frozenset({Scope.TASKS_READ, Scope.TASKS_WRITE, Scope.SCHEDULES_WRITE})
HOOKER = WORKER | {Scope.WEBHOOKS_WRITE}


class ScopedGate(OpenGate):
    """Lets everybody in with these scopes."""

    def __init__(self, scopes: frozenset[Scope]) -> None:
        self.who = Principal(tenant_id="default", subject="key_1", scopes=scopes)

    async def admit(self, attempt: Any) -> Principal:
        check_needs(self.who, attempt.operation)
        return self.who


@dataclass
class Doors:
    """All doors, for a caller with the scopes of `gate`."""

    rest: httpx2.AsyncClient
    channel: grpc.aio.Channel
    services: Services
    gate: ScopedGate

    async def missing_at_rest(self, method: str, path: str, body: Any) -> str:
        answer = await self.rest.request(method, f"/api/v1{path}", json=body)
        assert 403 == answer.status_code, answer.text
        return answer.headers["WWW-Authenticate"]


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    gate = ScopedGate(WORKER)
    services = services_of(service_over(MemoryStore()), gate=gate)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield Doors(rest, channel, services, gate)


async def test_a_task_with_a_webhook_needs_leave_for_webhooks_at_rest(doors: Doors) -> None:
    """Its events would go where the caller says."""
    expected = 'scope="webhooks:write"'
    assert expected in await doors.missing_at_rest("POST", "/tasks/", TASK)
    assert expected in await doors.missing_at_rest("POST", "/schedules/", SCHEDULE)
    assert expected in await doors.missing_at_rest("PATCH", "/schedules/sch_1", {"task": TASK})
    assert 201 == (await doors.rest.post("/api/v1/tasks/", json={"task_type": "noop"})).status_code


async def test_a_task_with_a_webhook_needs_leave_for_webhooks_over_grpc(doors: Doors) -> None:
    stub = stub_of(doors.channel)
    hooked = request()
    hooked.webhook.url = HOOK["url"]
    assert "webhooks:write" in (await refused(stub.CreateTask(hooked))).message
    schedules = stub_of(doors.channel, schedules_pb2_grpc.ScheduleServiceStub)
    made = schedules_pb2.CreateScheduleRequest(name="s", cron="0 7 * * *", task=struct(**TASK))
    assert "webhooks:write" in (await refused(schedules.CreateSchedule(made))).message
    changed = schedules_pb2.ChangeScheduleRequest(schedule_id="sch_1", change=struct(task=TASK))
    assert "webhooks:write" in (await refused(schedules.ChangeSchedule(changed))).message


async def test_a_task_with_a_webhook_needs_leave_for_webhooks_over_mcp(doors: Doors) -> None:
    [submit] = [tool for tool in TOOLS if tool.name == "submit_task"]
    desk: Any = Desk(services=doors.services, agents=None, follow=None)  # type: ignore[arg-type]
    call = Call(desk=desk, who=doors.gate.who, progress=None)  # type: ignore[arg-type]
    with pytest.raises(MissingScope, match="webhooks:write"):
        await submit.run(call, TASK)


async def test_with_leave_for_webhooks_the_task_is_stored(doors: Doors) -> None:
    doors.gate.who = Principal(tenant_id="default", subject="key_1", scopes=HOOKER)
    assert 201 == (await doors.rest.post("/api/v1/tasks/", json=TASK)).status_code
    assert 201 == (await doors.rest.post("/api/v1/schedules/", json=SCHEDULE)).status_code


async def test_whoever_lets_a_webhook_decide_must_be_let_in_to_decide(doors: Doors) -> None:
    """At every place where a webhook can be named, and for every change of one that decides."""
    doors.gate.who = Principal(
        tenant_id="default", subject="key_1", scopes=HOOKER | {Scope.APPROVALS_RESOLVE}
    )
    made = (await doors.rest.post("/api/v1/webhooks/", json=DECIDES)).json()["webhook_id"]
    doors.gate.who = Principal(tenant_id="default", subject="key_2", scopes=HOOKER)
    expected = 'scope="approvals:resolve"'
    schedule = SCHEDULE | {"task": DECIDED}
    elsewhere = {"url": "https://elsewhere.example.org/"}
    for method, path, body in (
        ("POST", "/webhooks/", DECIDES),
        ("PATCH", f"/webhooks/{made}", elsewhere),
        ("POST", "/tasks/", DECIDED),
        ("POST", "/schedules/", schedule),
        ("PATCH", "/schedules/sch_1", {"task": DECIDED}),
    ):
        assert expected in await doors.missing_at_rest(method, path, body)
    away = await doors.rest.patch(f"/api/v1/webhooks/{made}", json=elsewhere | {"decides": False})
    assert 200 == away.status_code


async def test_whoever_lets_a_webhook_decide_must_be_let_in_to_answer(doors: Doors) -> None:
    """It answers questions too, which `approvals:resolve` alone does not."""
    may = frozenset({Scope.TASKS_READ, Scope.WEBHOOKS_WRITE, Scope.APPROVALS_RESOLVE})
    doors.gate.who = Principal(tenant_id="default", subject="key_1", scopes=may)
    assert 'scope="tasks:write"' in await doors.missing_at_rest("POST", "/webhooks/", DECIDES)


async def test_whoever_lets_a_webhook_decide_must_be_let_in_to_decide_over_grpc(
    doors: Doors,
) -> None:
    doors.gate.who = Principal(tenant_id="default", subject="key_1", scopes=HOOKER)
    made = webhooks_pb2.CreateWebhookRequest(**DECIDES)
    webhooks = stub_of(doors.channel, webhooks_pb2_grpc.WebhookServiceStub)
    assert "approvals:resolve" in (await refused(webhooks.CreateWebhook(made))).message
    hooked = request()
    hooked.webhook.MergeFrom(tasks_pb2.TaskWebhook(**DECIDES))
    assert "approvals:resolve" in (await refused(stub_of(doors.channel).CreateTask(hooked))).message
