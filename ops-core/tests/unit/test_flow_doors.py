"""Limits, budgets and admission behind both doors: the same values, the same refusals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2
import pytest
from door_support import TYPES, client_of, refused, stub_of
from google.protobuf.json_format import MessageToDict, ParseDict

from ops_core.admission import AdmissionLimits
from ops_core.api import create_app
from ops_core.rpc import create_server
from ops_core.rpc.v1 import limits_pb2, limits_pb2_grpc, tasks_pb2, tasks_pb2_grpc
from ops_core.service import TaskService
from ops_core.testing import FrozenClock, MemoryStore, services_of

LIMITS, BUDGETS, TASKS = "/api/v1/limits", "/api/v1/budgets", "/api/v1/tasks/"
URN = "urn:opspawn:problem:"


@dataclass
class Doors:
    """Both doors of one store."""

    rest: httpx2.AsyncClient
    limits: Any
    budgets: Any
    tasks: Any
    rung: list[str]


@asynccontextmanager
async def doors_over(store: MemoryStore) -> AsyncIterator[Doors]:
    rung: list[str] = []
    tasks = TaskService(store, TYPES, lambda _queue, task_id: rung.append(task_id))
    services = services_of(tasks, store)
    server = create_server(services)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    async with client_of(create_app(services)) as rest, channel:
        yield Doors(
            rest,
            stub_of(channel, limits_pb2_grpc.LimitServiceStub),
            stub_of(channel, limits_pb2_grpc.BudgetServiceStub),
            stub_of(channel, tasks_pb2_grpc.TaskServiceStub),
            rung,
        )
    await server.stop(None)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with doors_over(MemoryStore(FrozenClock())) as doors:
        yield doors


def as_json(message: Any) -> Any:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


async def test_a_limit_is_the_same_through_both_doors(doors: Doors) -> None:
    """Set through one, read, listed and deleted through the other."""
    sent = {"concurrency": 2, "rate": {"count": 10, "per_s": 1.5}}
    put = await doors.rest.put(f"{LIMITS}/customer-17", json=sent)
    assert (200, {"key": "customer-17", **sent}) == (put.status_code, put.json())
    found = await doors.limits.GetLimit(limits_pb2.GetLimitRequest(key="customer-17"))
    assert put.json() == as_json(found)
    await doors.limits.PutLimit(limits_pb2.PutLimitRequest(key="a"))
    listed = (await doors.rest.get(f"{LIMITS}/")).json()
    plain = {"key": "a", "concurrency": 1, "rate": None}
    assert {"limits": [plain, put.json()], "next_cursor": None} == listed
    await doors.limits.DeleteLimit(limits_pb2.DeleteLimitRequest(key="a"))
    assert 204 == (await doors.rest.delete(f"{LIMITS}/customer-17")).status_code
    assert {"limits": [], "next_cursor": None} == (await doors.rest.get(LIMITS)).json()


async def test_limits_come_in_pages(doors: Doors) -> None:
    """By key; a cursor of one door leads on through the other."""
    for key in ("b", "a", "c"):
        await doors.rest.put(f"{LIMITS}/{key}", json={})
    first = (await doors.rest.get(LIMITS, params={"limit": 2})).json()
    assert ["a", "b"] == [limit["key"] for limit in first["limits"]]
    query = limits_pb2.ListLimitsRequest(limit=2, cursor=first["next_cursor"])
    rest = await doors.limits.ListLimits(query)
    assert (["c"], False) == ([one.key for one in rest.limits], rest.HasField("next_cursor"))


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"concurrency": 0}, ["concurrency"]),
        ({"rate": {"count": 1}}, ["rate.per_s"]),
        ({"rate": {"count": 0, "per_s": 1}}, ["rate.count"]),
    ],
)
async def test_both_doors_judge_a_limit_alike(
    doors: Doors, sent: dict[str, Any], fields: list[str]
) -> None:
    answer = await doors.rest.put(f"{LIMITS}/k", json=sent)
    message = ParseDict({"key": "k", **sent}, limits_pb2.PutLimitRequest())
    found = await refused(doors.limits.PutLimit(message))
    # Numbers that are not sent are zeros there, which are refused as well.
    assert fields == [error["path"] for error in answer.json()["errors"]]
    assert found.type == "invalid_request"


@pytest.mark.parametrize("key", ["x" * 201, "a\nb"])
async def test_a_key_that_no_task_can_have_is_refused(doors: Doors, key: str) -> None:
    """Over both doors, and as the key of a task."""
    found = await refused(doors.limits.GetLimit(limits_pb2.GetLimitRequest(key=key)))
    assert {"key"} == set(found.fields)
    answer = await doors.rest.post(TASKS, json={"task_type": "noop", "concurrency_key": key})
    assert ["concurrency_key"] == [error["path"] for error in answer.json()["errors"]]


async def test_what_is_not_there_is_not_found(doors: Doors) -> None:
    """A limit, a budget; through both doors under one type."""
    limit = await refused(doors.limits.GetLimit(limits_pb2.GetLimitRequest(key="k")))
    budget = await refused(doors.budgets.GetBudget(limits_pb2.GetBudgetRequest(budget_id="day")))
    assert ["limit_not_found", "budget_not_found"] == [limit.type, budget.type]
    for path, type_ in ((f"{LIMITS}/k", limit.type), (f"{BUDGETS}/day", budget.type)):
        answer = await doors.rest.get(path)
        assert (404, URN + type_) == (answer.status_code, answer.json()["type"])
        assert 404 == (await doors.rest.delete(path)).status_code


async def test_a_budget_is_the_same_through_both_doors(doors: Doors) -> None:
    """Money is a plain decimal in both; what is not limited is null in one and absent in the other."""
    put = await doors.rest.put(f"{BUDGETS}/month", json={"cost_usd": "25.50", "tokens": 1000})
    budget = put.json()
    assert {"cost_usd": "25.50", "tokens": 1000, "steps": None, "seconds": None} == budget["left"]
    found = await doors.budgets.GetBudget(limits_pb2.GetBudgetRequest(budget_id="month"))
    assert ("25.50", 1000, False) == (
        found.left.cost_usd,
        found.left.tokens,
        found.left.HasField("steps"),
    )
    more = limits_pb2.PutBudgetRequest(budget_id="day", allowed=limits_pb2.Allowance(steps=3))
    await doors.budgets.PutBudget(more)
    listed = (await doors.rest.get(BUDGETS)).json()["budgets"]
    assert ["day", "month"] == [one["budget_id"] for one in listed]
    gone = limits_pb2.DeleteBudgetRequest(budget_id="day")
    await doors.budgets.DeleteBudget(gone)
    assert ["month"] == [
        one.budget_id
        for one in (await doors.budgets.ListBudgets(limits_pb2.ListBudgetsRequest())).budgets
    ]


async def test_a_budget_that_limits_nothing_is_refused(doors: Doors) -> None:
    """It would be a promise of nothing."""
    answer = await doors.rest.put(f"{BUDGETS}/day", json={})
    found = await refused(doors.budgets.PutBudget(limits_pb2.PutBudgetRequest(budget_id="day")))
    assert (422, "invalid_request") == (answer.status_code, found.type)


async def test_a_task_shows_its_budget_and_what_is_left(doors: Doors) -> None:
    """The same through both doors, submitted through either; what is left, where one task is asked for."""
    sent = {"task_type": "noop", "budget": {"cost_usd": "0.5"}, "concurrency_key": "k"}
    answer = await doors.rest.post(TASKS, json=sent)
    budget = {"cost_usd": "0.5", "tokens": None, "steps": None, "seconds": None}
    assert (budget, None) == (answer.json()["budget"], answer.json()["budget_left"])
    task_id = answer.json()["task_id"]
    assert budget == (await doors.rest.get(TASKS + task_id)).json()["budget_left"]
    shown = (await doors.tasks.GetTask(tasks_pb2.GetTaskRequest(task_id=task_id))).task
    assert ("k", "0.5", "0.5") == (
        shown.concurrency_key,
        shown.budget.cost_usd,
        shown.budget_left.cost_usd,
    )
    message = ParseDict(sent, tasks_pb2.CreateTaskRequest())
    created = (await doors.tasks.CreateTask(message)).task
    assert ("k", "0.5") == (created.concurrency_key, created.budget.cost_usd)


async def test_a_task_that_stands_at_a_gate_is_not_rung_for(doors: Doors) -> None:
    """The one before it is."""
    sent = {"task_type": "noop", "concurrency_key": "k"}
    first, _ = [await doors.rest.post(TASKS, json=sent) for _ in range(2)]
    assert [first.json()["task_id"]] == doors.rung


async def test_too_much_is_refused_alike_and_a_repetition_is_not() -> None:
    """429 and RESOURCE_EXHAUSTED, each with when to come back."""
    store = MemoryStore(admission=AdmissionLimits(max_unfinished=1))
    async with doors_over(store) as doors:
        sent = {"task_type": "noop"}
        key = {"Idempotency-Key": "k"}
        await doors.rest.post(TASKS, json=sent, headers=key)
        answer = await doors.rest.post(TASKS, json=sent)
        found = await refused(doors.tasks.CreateTask(tasks_pb2.CreateTaskRequest(task_type="noop")))
        assert (429, f"{URN}too_many_tasks") == (answer.status_code, answer.json()["type"])
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is found.code
        assert ("too_many_tasks", answer.headers["retry-after"]) == (
            found.type,
            str(found.retry_after_s),
        )
        assert 200 == (await doors.rest.post(TASKS, json=sent, headers=key)).status_code
