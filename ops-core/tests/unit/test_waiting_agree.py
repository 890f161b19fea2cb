"""Steps, answers and dead letters: both doors say and do the same."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from door_support import URN, channel_to, client_of, refused, service_over, stub_of
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from waiting_task import APPROVAL, EFFECT, QUESTION, dead_letter, waiting

from ops_core.api import create_app
from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import FrozenClock, MemoryStore, services_of

TASKS = "/api/v1/tasks"

#: By RPC: its request, and the same as path and body on REST. `T` stands for the task.
BRINGS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "SendInput",
        {"answer": "blue", "step": QUESTION},
        "input",
        {"answer": "blue", "step": QUESTION},
    ),
    ("SendInput", {"answer": [17, None, {}]}, "input", {"answer": [17, None, {}]}),
    (
        "ResolveEffect",
        {"step": EFFECT, "outcome": "EFFECT_OUTCOME_HAPPENED", "result": {"n": 1}},
        f"effects/{EFFECT}/resolve",
        {"outcome": "happened", "result": {"n": 1}},
    ),
    (
        "ResolveEffect",
        {"step": EFFECT, "outcome": "EFFECT_OUTCOME_RUN_AGAIN"},
        f"effects/{EFFECT}/resolve",
        {"outcome": "run_again"},
    ),
    (
        "ResolveEffect",
        {"step": EFFECT, "outcome": "EFFECT_OUTCOME_FAIL"},
        f"effects/{EFFECT}/resolve",
        {"outcome": "fail"},
    ),
    (
        "ResolveApproval",
        {"step": APPROVAL, "decision": "APPROVAL_DECISION_APPROVE"},
        f"approvals/{APPROVAL}/resolve",
        {"decision": "approve"},
    ),
    (
        "ResolveApproval",
        {"step": APPROVAL, "decision": "APPROVAL_DECISION_REJECT", "comment": "No."},
        f"approvals/{APPROVAL}/resolve",
        {"decision": "reject", "comment": "No."},
    ),
]

WRONG: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("SendInput", {}, "input", {}),
    ("SendInput", {"answer": "\0"}, "input", {"answer": "\0"}),
    ("SendInput", {"answer": 1, "step": "nowhere"}, "input", {"answer": 1, "step": "nowhere"}),
    ("ResolveEffect", {"step": EFFECT}, f"effects/{EFFECT}/resolve", {}),
    (
        "ResolveEffect",
        {"step": "9", "outcome": "EFFECT_OUTCOME_FAIL"},
        "effects/9/resolve",
        {"outcome": "fail"},
    ),
    (
        "ResolveEffect",
        {"step": EFFECT, "outcome": "EFFECT_OUTCOME_FAIL", "result": 1},
        f"effects/{EFFECT}/resolve",
        {"outcome": "fail", "result": 1},
    ),
    ("ResolveApproval", {"step": APPROVAL}, f"approvals/{APPROVAL}/resolve", {}),
]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FrozenClock())


@pytest.fixture
async def rest(store: MemoryStore) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services_of(service_over(store)))) as client:
        yield client


@pytest.fixture
async def rpc(store: MemoryStore) -> AsyncIterator[Any]:
    async with channel_to(service_over(store)) as channel:
        yield stub_of(channel)


def message(rpc: str, fields: dict[str, Any]) -> Message:
    sent: Message = ParseDict(fields, getattr(tasks_pb2, f"{rpc}Request")())
    return sent


@pytest.mark.parametrize(("call", "fields", "path", "body"), BRINGS)
async def test_both_doors_bring_the_same(
    rest: httpx2.AsyncClient,
    rpc: Any,
    store: MemoryStore,
    call: str,
    fields: dict[str, Any],
    path: str,
    body: dict[str, Any],
) -> None:
    """One event, with the same words and the same journal, and a task that is pending again."""
    await waiting(store, "a")
    await waiting(store, "b")
    answer = await rest.post(f"{TASKS}/a/{path}", json=body)
    task = (await getattr(rpc, call)(message(call, {"task_id": "b", **fields}))).task
    assert ("pending", tasks_pb2.PENDING) == (answer.json()["status"], task.status)
    logs = [await store.log("default", task_id) for task_id in "ab"]
    assert [(e.type, e.data, e.journal) for e in logs[0]] == [
        (e.type, e.data, e.journal) for e in logs[1]
    ]


@pytest.mark.parametrize(("call", "fields", "path", "body"), WRONG)
async def test_both_doors_refuse_alike(
    rest: httpx2.AsyncClient,
    rpc: Any,
    store: MemoryStore,
    call: str,
    fields: dict[str, Any],
    path: str,
    body: dict[str, Any],
) -> None:
    """The same type and the same fields."""
    await waiting(store, "a")
    answer = (await rest.post(f"{TASKS}/a/{path}", json=body)).json()
    found = await refused(getattr(rpc, call)(message(call, {"task_id": "a", **fields})))
    assert (found.type, [*found.fields]) == (
        answer["type"].removeprefix(URN),
        [error["path"] for error in answer.get("errors", [])],
    )


async def test_a_number_that_no_build_knows_is_named(rpc: Any, store: MemoryStore) -> None:
    """A newer client's outcome is not taken for another one."""
    await waiting(store, "a")
    sent = tasks_pb2.ResolveEffectRequest(task_id="a", step=EFFECT, outcome=9)  # type: ignore[arg-type]
    assert {"outcome": "is not a value that is known"} == (
        await refused(rpc.ResolveEffect(sent))
    ).fields


async def test_a_step_is_the_same_step_through_both_doors(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """What REST has as null is absent."""
    await waiting(store, "a")
    await rest.post(f"{TASKS}/a/input", json={"answer": ["x"], "step": QUESTION})
    shown = (await rest.get(f"{TASKS}/a/steps?limit=2")).json()
    page = await rpc.ListSteps(tasks_pb2.ListStepsRequest(task_id="a", limit=2))
    assert (shown["total"], shown["next_after"]) == (page.total, page.next_after)
    for wanted, step in zip(shown["steps"], page.steps, strict=True):
        told = MessageToDict(
            step, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        told["status"] = told["status"].removeprefix("STEP_STATUS_").lower()
        for time in ("started_at", "finished_at"):
            if time in told:
                told[time] = told[time].replace("Z", ".000000Z")
        assert {key: value for key, value in wanted.items() if value is not None} == told
    [last] = (await rpc.ListSteps(tasks_pb2.ListStepsRequest(task_id="a", after=2))).steps
    assert EFFECT == last.step


async def test_what_a_task_waits_for_is_the_same_through_both_doors(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """Reason, step and what was asked."""
    await waiting(store, "a")
    shown = (await rest.get(f"{TASKS}/a")).json()["waiting_for"]
    task = (await rpc.GetTask(tasks_pb2.GetTaskRequest(task_id="a"))).task
    assert shown == [MessageToDict(wait) for wait in task.waiting_for]


async def test_dead_letters_are_the_same_through_both_doors(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """Listed, discarded, and refused the second time."""
    for task_id in ("a", "b"):
        await dead_letter(store, task_id)
    shown = (await rest.get("/api/v1/dead-letters?limit=1")).json()
    page = await rpc.ListDeadLetters(tasks_pb2.ListDeadLettersRequest(limit=1))
    assert (shown["total"], shown["next_cursor"]) == (page.total, page.next_cursor)
    assert ["b"] == [task.task_id for task in page.tasks]
    assert page.tasks[0].HasField("dead_letter_at")
    discard = tasks_pb2.DiscardDeadLetterRequest(task_id="b")
    task = (await rpc.DiscardDeadLetter(discard)).task
    assert (tasks_pb2.FAILED, False) == (task.status, task.HasField("dead_letter_at"))
    assert "not_a_dead_letter" == (await refused(rpc.DiscardDeadLetter(discard))).type
    assert 1 == (await rest.get("/api/v1/dead-letters")).json()["total"]


async def test_relatives_are_named_alike(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """Parent and dependencies of a task that gRPC submits are those that REST would store."""
    await waiting(store, "a")
    await waiting(store, "b")
    sent = {"task_type": "noop", "parent_task_id": "a", "depends_on": ["b"]}
    first = (await rest.post(f"{TASKS}/", json=sent)).json()
    task = (await rpc.CreateTask(ParseDict(sent, tasks_pb2.CreateTaskRequest()))).task
    assert ("a", "a", "delayed") == (first["parent_task_id"], task.parent_task_id, task.reason)
    page = (await rest.get(f"{TASKS}/a/children")).json()
    assert {first["task_id"], task.task_id} == {child["task_id"] for child in page["tasks"]}
