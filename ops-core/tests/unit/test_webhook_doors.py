"""Webhooks behind both doors: the same service, ids, fields and errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from door_support import TYPES, client_of, refused, service_over, stub_of
from grpc.aio import insecure_channel

from ops_core.api import create_app
from ops_core.bodies import parsed
from ops_core.principal import EVERYBODY
from ops_core.request import parse_request
from ops_core.rpc import create_server
from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc, webhooks_pb2, webhooks_pb2_grpc
from ops_core.service import TaskService
from ops_core.testing import FrozenClock, MemoryStore, MemoryWebhooks, services_of
from ops_core.webhooks.request import WebhookRequest
from ops_core.webhooks.service import MAX_WEBHOOKS, WebhookService

HOOKS = "/api/v1/webhooks"
URL = "https://example.org/hook"


@dataclass
class Doors:
    rest: httpx2.AsyncClient
    rpc: Any
    tasks: Any
    store: MemoryWebhooks

    async def create(self, **sent: Any) -> dict[str, Any]:
        answer = await self.rest.post(f"{HOOKS}/", json={"url": URL, "events": ["*"], **sent})
        assert 201 == answer.status_code, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def submit(self, **sent: Any) -> str:
        answer = await self.rest.post("/api/v1/tasks/", json={"task_type": "noop", **sent})
        return str(answer.json()["task_id"])


@asynccontextmanager
async def opened() -> AsyncIterator[Doors]:
    store = MemoryStore(FrozenClock())
    webhooks = MemoryWebhooks(store)
    tasks = service_over(store)
    services = services_of(tasks, store, webhooks=webhooks)
    server = create_server(services)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with client_of(create_app(services)) as rest, insecure_channel(f"127.0.0.1:{port}") as ch:
        rpc = stub_of(ch, webhooks_pb2_grpc.WebhookServiceStub)
        yield Doors(rest, rpc, stub_of(ch, tasks_pb2_grpc.TaskServiceStub), webhooks)
    await server.stop(None)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with opened() as doors:
        yield doors


async def test_a_secret_is_shown_when_it_is_made_and_never_again(doors: Doors) -> None:
    """Through neither door."""
    made = await doors.create(description="mine")
    assert made["secret"].startswith("whsec_")
    shown = (await doors.rest.get(f"{HOOKS}/{made['webhook_id']}")).json()
    secret = made.pop("secret")
    assert made == shown
    listed = (await doors.rest.get(HOOKS)).text
    request = webhooks_pb2.GetWebhookRequest(webhook_id=made["webhook_id"])
    assert secret not in listed + str(await doors.rpc.GetWebhook(request))


async def test_a_webhook_is_the_same_through_both_doors(doors: Doors) -> None:
    """What one door makes the other one shows, changes, rotates and deletes."""
    sent = webhooks_pb2.CreateWebhookRequest(
        url=URL, events=["task.*"], agent="default", labels={"team": "a"}
    )
    made = (await doors.rpc.CreateWebhook(sent)).webhook
    path = f"{HOOKS}/{made.webhook_id}"
    shown = (await doors.rest.get(path)).json()
    assert (["task.*"], "default", {"team": "a"}) == (
        shown["events"],
        shown["agent"],
        shown["labels"],
    )
    assert made.created_by == shown["created_by"]
    changed = (await doors.rest.patch(path, json={"agent": None, "enabled": False})).json()
    assert (None, False, {"team": "a"}) == (changed["agent"], changed["enabled"], changed["labels"])
    change = webhooks_pb2.ChangeWebhookRequest(
        webhook_id=made.webhook_id, enabled=True, task_type="noop", clear_labels=True
    )
    again = (await doors.rpc.ChangeWebhook(change)).webhook
    assert (True, "noop", {}) == (again.enabled, again.task_type, dict(again.labels))
    rotated = await doors.rest.post(f"{path}/rotate-secret", json={"overlap_s": 60})
    assert rotated.json()["secret"].startswith("whsec_")
    await doors.rpc.DeleteWebhook(webhooks_pb2.DeleteWebhookRequest(webhook_id=made.webhook_id))
    assert 404 == (await doors.rest.get(path)).status_code


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"url": "nowhere"},
        {"url": URL, "events": ["task.vanished"]},
        {"url": URL, "task_type": ""},
        {"url": URL, "labels": {"k": "x" * 256}},
        {"url": URL, "description": "x" * 501},
    ],
)
async def test_both_doors_judge_a_webhook_alike(doors: Doors, sent: dict[str, Any]) -> None:
    """The same error type and the same fields."""
    answer = (await doors.rest.post(f"{HOOKS}/", json=sent)).json()
    found = await refused(doors.rpc.CreateWebhook(webhooks_pb2.CreateWebhookRequest(**sent)))
    fields = [error["path"] for error in answer["errors"]]
    assert ("urn:opspawn:problem:" + found.type, [*found.fields]) == (answer["type"], fields)


@pytest.mark.parametrize(
    ("method", "path", "rpc", "request_"),
    [
        ("GET", f"{HOOKS}/x", "GetWebhook", webhooks_pb2.GetWebhookRequest(webhook_id="x")),
        (
            "DELETE",
            f"{HOOKS}/x",
            "DeleteWebhook",
            webhooks_pb2.DeleteWebhookRequest(webhook_id="x"),
        ),
        ("POST", f"{HOOKS}/x/test", "TestWebhook", webhooks_pb2.TestWebhookRequest(webhook_id="x")),
        (
            "GET",
            f"{HOOKS}/x/deliveries",
            "ListWebhookDeliveries",
            webhooks_pb2.ListWebhookDeliveriesRequest(webhook_id="x"),
        ),
        (
            "GET",
            "/api/v1/tasks/x/deliveries",
            "ListTaskDeliveries",
            webhooks_pb2.ListTaskDeliveriesRequest(task_id="x"),
        ),
        (
            "POST",
            "/api/v1/deliveries/x/redeliver",
            "Redeliver",
            webhooks_pb2.RedeliverRequest(delivery_id="x"),
        ),
        (
            "GET",
            "/api/v1/deliveries/x",
            "GetDelivery",
            webhooks_pb2.GetDeliveryRequest(delivery_id="x"),
        ),
    ],
)
async def test_both_doors_say_alike_that_nothing_is_there(
    doors: Doors, method: str, path: str, rpc: str, request_: Any
) -> None:
    """404 and NOT_FOUND, with one type."""
    answer = await doors.rest.request(method, path)
    found = await refused(getattr(doors.rpc, rpc)(request_))
    assert (404, "urn:opspawn:problem:" + found.type) == (answer.status_code, answer.json()["type"])


DECIDES: dict[str, Any] = {"url": URL, "events": ["approval.requested"], "decides": True}


async def test_a_webhook_that_decides_is_the_same_through_both_doors(doors: Doors) -> None:
    """Made by one and changed by the other; by default none decides."""
    assert not (await doors.create())["decides"]
    sent = webhooks_pb2.CreateWebhookRequest(**DECIDES)
    made = (await doors.rpc.CreateWebhook(sent)).webhook
    path = f"{HOOKS}/{made.webhook_id}"
    assert (True, True) == (made.decides, (await doors.rest.get(path)).json()["decides"])
    assert not (await doors.rest.patch(path, json={"decides": False})).json()["decides"]
    change = webhooks_pb2.ChangeWebhookRequest(webhook_id=made.webhook_id, decides=True)
    assert (await doors.rpc.ChangeWebhook(change)).webhook.decides


@pytest.mark.parametrize(
    "wrong", [{"url": "http://example.org/hook"}, {"events": ["task.*"]}], ids=["http", "unasked"]
)
async def test_both_doors_refuse_a_decision_that_anybody_or_nobody_could_make(
    doors: Doors, wrong: dict[str, Any]
) -> None:
    """Over http it would not be the receiver's alone; one who is never asked says nothing. Tasks' too."""
    sent = DECIDES | wrong
    answer = (await doors.rest.post(f"{HOOKS}/", json=sent)).json()
    found = await refused(doors.rpc.CreateWebhook(webhooks_pb2.CreateWebhookRequest(**sent)))
    assert (["decides"], ["decides"]) == ([e["path"] for e in answer["errors"]], [*found.fields])
    task = {"task_type": "noop", "webhook": sent}
    answer = (await doors.rest.post("/api/v1/tasks/", json=task)).json()
    hook = tasks_pb2.TaskWebhook(**sent)
    request = tasks_pb2.CreateTaskRequest(task_type="noop", webhook=hook)
    found = await refused(doors.tasks.CreateTask(request))
    assert (["webhook.decides"], ["webhook.decides"]) == (
        [e["path"] for e in answer["errors"]],
        [*found.fields],
    )


async def test_a_webhook_that_decides_is_not_led_to_http(doors: Doors) -> None:
    """Nor one that is there made to decide."""
    made = (await doors.rest.post(f"{HOOKS}/", json=DECIDES)).json()
    path = f"{HOOKS}/{made['webhook_id']}"
    answer = await doors.rest.patch(path, json={"url": "http://example.org/hook"})
    assert (422, "decides") == (answer.status_code, answer.json()["errors"][0]["path"])


async def test_where_the_operator_trusts_http_it_may_decide() -> None:
    """One setting says so for subscriptions and for tasks."""
    store = MemoryStore(FrozenClock())
    tasks = TaskService(store, TYPES, lambda *_: None, plain_http=True)
    service = WebhookService(MemoryWebhooks(store), tasks, plain_http=True)
    sent = DECIDES | {"url": "http://10.0.0.7/hook"}
    assert (await service.create(parsed(WebhookRequest, sent), by=EVERYBODY)).webhook.spec.decides
    request = parse_request({"task_type": "noop", "webhook": sent})
    assert (await tasks.submit(request, tenant_id="default")).created


async def test_deliveries_are_listed_by_webhook_and_by_task(doors: Doors) -> None:
    """Newest first, in pages, the same through both doors; and asked for again."""
    made = await doors.create(events=["task.*"])
    task_id = await doors.submit()
    await doors.rest.post(f"/api/v1/tasks/{task_id}/cancel")
    path = f"{HOOKS}/{made['webhook_id']}/deliveries"
    first = (await doors.rest.get(path, params={"limit": 1})).json()
    query = webhooks_pb2.ListTaskDeliveriesRequest(
        task_id=task_id, limit=1, cursor=first["next_cursor"]
    )
    last = (await doors.rpc.ListTaskDeliveries(query)).deliveries[0]
    types = {first["deliveries"][0]["type"], last.type}
    assert {"task.submitted", "task.cancelled"} == types
    again = await doors.rest.post(f"/api/v1/deliveries/{last.delivery_id}/redeliver")
    assert (202, "pending") == (again.status_code, again.json()["status"])


async def test_a_task_has_its_webhook_from_both_doors(doors: Doors) -> None:
    """By a URL alone, or with events and a secret; no door shows the secret."""
    secret = "whsec_" + "QUJD" * 8
    hook = tasks_pb2.TaskWebhook(url=URL, events=["task.cancelled"], secret=secret)
    request = tasks_pb2.CreateTaskRequest(task_type="noop", webhook=hook)
    ids = [await doors.submit(webhook=URL), (await doors.tasks.CreateTask(request)).task.task_id]
    for task_id in ids:
        await doors.rest.post(f"/api/v1/tasks/{task_id}/cancel")
        found = await doors.rest.get(f"/api/v1/tasks/{task_id}/deliveries")
        assert ["task.cancelled"] == [sent["type"] for sent in found.json()["deliveries"]]
        assert secret not in (await doors.rest.get(f"/api/v1/tasks/{task_id}/events")).text
    assert 0 == (await doors.rest.get(HOOKS)).json()["total"]


async def test_a_test_is_sent_and_shown(doors: Doors) -> None:
    """As a delivery that is about no task."""
    made = await doors.create()
    sent = (await doors.rest.post(f"{HOOKS}/{made['webhook_id']}/test")).json()
    assert ("webhook.test", None, "pending") == (sent["type"], sent["task_id"], sent["status"])
    request = webhooks_pb2.GetDeliveryRequest(delivery_id=sent["delivery_id"])
    assert "webhook.test" == (await doors.rpc.GetDelivery(request)).delivery.type


async def test_a_tenant_has_only_so_many_webhooks(doors: Doors) -> None:
    """409, and FAILED_PRECONDITION: each event is compared with all of them."""
    for _ in range(MAX_WEBHOOKS):
        await doors.create()
    answer = await doors.rest.post(f"{HOOKS}/", json={"url": URL})
    found = await refused(doors.rpc.CreateWebhook(webhooks_pb2.CreateWebhookRequest(url=URL)))
    assert (409, "too_many_webhooks") == (answer.status_code, found.type)
