"""Approvals and inputs across tasks: both doors say and do the same."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx2
import pytest
from asking_task import ARGUMENTS, SOURCES, asking, run
from door_support import URN, channel_to, client_of, refused, service_over, stub_of
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from ops_core.api import create_app
from ops_core.ask import Ask, AskKind, binding
from ops_core.log import rfc3339
from ops_core.rpc.v1 import approvals_pb2, approvals_pb2_grpc, tasks_pb2
from ops_core.services import Services
from ops_core.testing import FrozenClock, MemoryStore, services_of

pytestmark = pytest.mark.unit

API = "/api/v1"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def services(store: MemoryStore) -> Services:
    return services_of(service_over(store), store)


@pytest.fixture
async def rest(services: Services) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services)) as client:
        yield client


@pytest.fixture
async def rpc(services: Services) -> AsyncIterator[Any]:
    async with channel_to(services) as channel:
        yield stub_of(channel, approvals_pb2_grpc.ApprovalServiceStub)


def message(rpc: str, fields: dict[str, Any]) -> Message:
    sent: Message = ParseDict(fields, getattr(approvals_pb2, f"{rpc}Request")())
    return sent


def told(answer: Message) -> dict[str, Any]:
    """A message as REST would say it: what is null there is absent here."""
    found: dict[str, Any] = MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    found["status"] = found["status"].removeprefix("ASK_STATUS_").lower()
    for time in ("requested_at", "expires_at", "resolved_at"):
        if time in found:
            found[time] = rfc3339(datetime.fromisoformat(found[time]))
    return found


def without_null(view: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in view.items() if value is not None}


async def test_an_ask_is_the_same_through_both_doors(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """Pending with all that was asked, and over with all that was said."""
    approval, question = await asking(store, "a", expires_in_s=60)
    shown = (await rest.get(f"{API}/approvals/{approval}")).json()
    assert (ARGUMENTS, SOURCES, binding("a", shown["step"], "pay", ARGUMENTS)) == (
        shown["arguments"],
        shown["sources"],
        shown["hash"],
    )

    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        shown = (await rest.get(f"{API}/approvals/{approval}")).json()
        found = await rpc.GetApproval(message("GetApproval", {"approval_id": approval}))
        assert without_null(shown) == told(found.approval)
        asked = (await rest.get(f"{API}/inputs/{question}")).json()
        answered = await rpc.GetInput(message("GetInput", {"input_id": question}))
        assert without_null(asked) == told(answered.input)
        return shown, asked

    await both()
    body = {"decision": "approve", "arguments": {"eur": 4}, "comment": "Less."}
    await rest.post(f"{API}/approvals/{approval}/resolve", json=body)
    await rest.post(f"{API}/inputs/{question}/answer", json={"answer": ["x", 1]})
    shown, asked = await both()
    assert ("approved", "anonymous", {"eur": 4}) == (
        shown["status"],
        shown["resolved_by"],
        shown["given_arguments"],
    )
    assert ("answered", ["x", 1]) == (asked["status"], asked["answer"])


async def test_lists_are_the_same_through_both_doors(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore, clock: FrozenClock
) -> None:
    """Filters, pages, totals; newest first."""
    ids = []
    for name in "abc":
        ids.append(await asking(store, name))
        clock.advance(1)
    await rest.post(f"{API}/approvals/{ids[0][0]}/resolve", json={"decision": "reject"})
    wheres: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
        ({}, ids[::-1]),
        ({"limit": 1}, ids[2:]),
        ({"task_id": "b"}, ids[1:2]),
        ({"status": "pending"}, ids[:0:-1]),
    ]
    for where, expected in wheres:
        shown = (await rest.get(f"{API}/approvals/", params=where)).json()
        asked = where | ({"status": "ASK_STATUS_PENDING"} if "status" in where else {})
        page = await rpc.ListApprovals(message("ListApprovals", asked))
        wanted = [approval for approval, _ in expected]
        assert wanted == [each["approval_id"] for each in shown["approvals"]]
        assert wanted == [each.approval_id for each in page.approvals]
        cursor = page.next_cursor or None
        assert (shown["total"], shown["next_cursor"]) == (page.total, cursor)
    shown = (await rest.get(f"{API}/inputs", params={"status": "pending", "limit": 2})).json()
    asked = {"status": "ASK_STATUS_PENDING", "limit": 2}
    inputs = await rpc.ListInputs(message("ListInputs", asked))
    assert [each.input_id for each in inputs.inputs] == [
        each["input_id"] for each in shown["inputs"]
    ]
    assert (3, inputs.next_cursor) == (inputs.total, shown["next_cursor"])


async def test_both_doors_decide_alike(
    rest: httpx2.AsyncClient, rpc: Any, store: MemoryStore
) -> None:
    """One event with the same words; the same again is the same with its key, and refused without."""
    first, second = (await asking(store, "a"))[0], (await asking(store, "b"))[0]
    body = {"decision": "approve", "arguments": {"eur": 4}, "comment": "Less."}
    fields = {
        "approval_id": second,
        "decision": "APPROVAL_DECISION_APPROVE",
        "arguments": {"eur": 4},
        "comment": "Less.",
        "idempotency_key": "k",
    }
    address, key = f"{API}/approvals/{first}/resolve", {"Idempotency-Key": "k"}
    for replayed in (False, True):
        answer = await rest.post(address, json=body, headers=key)
        assert (200, replayed) == (answer.status_code, "Idempotent-Replay" in answer.headers)
        done = await rpc.DecideApproval(message("DecideApproval", fields))
        assert (approvals_pb2.ASK_STATUS_APPROVED, replayed) == (
            done.approval.status,
            done.replayed,
        )
    events = []
    for task_id in "ab":
        log = await store.log("default", task_id)
        [event] = [event for event in log if event.type == "approval.resolved"]
        events.append({**event.data, "request_hash": "", "approval_id": ""})
    assert events[0] == events[1]
    for other, headers in (
        (body, {}),
        (body, {"Idempotency-Key": "l"}),
        ({"decision": "reject"}, key),
    ):
        answer = await rest.post(address, json=other, headers=headers)
        assert (409, f"{URN}already_resolved") == (answer.status_code, answer.json()["type"])
    fields.pop("idempotency_key")
    found = await refused(rpc.DecideApproval(message("DecideApproval", fields)))
    assert "already_resolved" == found.type


@pytest.mark.parametrize(
    ("call", "fields", "path", "body", "expected"),
    [
        (
            "DecideApproval",
            {"approval_id": "APR"},
            "approvals/APR/resolve",
            {},
            ("invalid_request", ["decision"]),
        ),
        (
            "DecideApproval",
            {"approval_id": "APR", "decision": "APPROVAL_DECISION_REJECT", "arguments": {}},
            "approvals/APR/resolve",
            {"decision": "reject", "arguments": {}},
            ("invalid_request", ["arguments"]),
        ),
        (
            "DecideApproval",
            {"approval_id": "APR", "decision": "APPROVAL_DECISION_APPROVE", "hash": "00"},
            "approvals/APR/resolve",
            {"decision": "approve", "hash": "00"},
            ("invalid_request", ["hash"]),
        ),
        (
            "DecideApproval",
            {"approval_id": "apr_x", "decision": "APPROVAL_DECISION_APPROVE"},
            "approvals/apr_x/resolve",
            {"decision": "approve"},
            ("ask_not_found", []),
        ),
        (
            "AnswerInput",
            {"input_id": "INP"},
            "inputs/INP/answer",
            {},
            ("invalid_request", ["answer"]),
        ),
        (
            "AnswerInput",
            {"input_id": "APR", "answer": 1},
            "inputs/APR/answer",
            {"answer": 1},
            ("ask_not_found", []),
        ),
        (
            "CreateApprovalLink",
            {"approval_id": "APR"},
            "approvals/APR/links",
            {},
            ("links_not_configured", []),
        ),
        (
            "CreateApprovalLink",
            {"approval_id": "APR", "expires_in_s": 1},
            "approvals/APR/links",
            {"expires_in_s": 1},
            ("invalid_request", ["expires_in_s"]),
        ),
    ],
)
async def test_both_doors_refuse_alike(
    rest: httpx2.AsyncClient,
    rpc: Any,
    store: MemoryStore,
    call: str,
    fields: dict[str, Any],
    path: str,
    body: dict[str, Any],
    expected: tuple[str, list[str]],
) -> None:
    """The same type and the same fields, and nothing is decided."""
    approval, question = await asking(store, "a")
    named = {"APR": approval, "INP": question}
    fields = {key: named.get(str(value), value) for key, value in fields.items()}
    for short, name in named.items():
        path = path.replace(short, name)
    answer = (await rest.post(f"{API}/{path}", json=body)).json()
    found = await refused(getattr(rpc, call)(message(call, fields)))
    assert expected == (found.type, [*found.fields])
    assert expected == (
        answer["type"].removeprefix(URN),
        [error["path"] for error in answer.get("errors", [])],
    )
    assert "pending" == (await rest.get(f"{API}/approvals/{approval}")).json()["status"]


@pytest.mark.parametrize("query", ["status=answered", "status=x", "task=a", "cursor=x", "limit=0"])
async def test_a_query_that_means_nothing_is_refused(rest: httpx2.AsyncClient, query: str) -> None:
    """A misspelt filter must not list everything."""
    answer = await rest.get(f"{API}/approvals/?{query}")
    assert (422, f"query.{query.partition('=')[0]}") == (
        answer.status_code,
        answer.json()["errors"][0]["path"],
    )


async def test_of_twenty_decisions_at_once_one_is_taken(
    rest: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """The task goes on with that one, and runs its call once."""
    approval, question = await asking(store, "a")
    sent = [{"decision": "approve", "comment": str(n)} for n in range(20)]
    address = f"{API}/approvals/{approval}/resolve"
    answers = await asyncio.gather(*(rest.post(address, json=body) for body in sent))
    assert [200] + [409] * 19 == sorted(answer.status_code for answer in answers)
    [won] = [answer.json()["comment"] for answer in answers if answer.is_success]
    await rest.post(f"{API}/inputs/{question}/answer", json={"answer": "x"})
    done = await run(store)
    assert {"said": {"decision": "approve", "comment": won}, "answer": "x"} == done.result


async def test_the_older_way_decides_the_same_approval(
    rest: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """By task and step, on REST and gRPC; arguments too."""
    approval, _ = await asking(store, "a")
    shown = (await rest.get(f"{API}/approvals/{approval}")).json()
    body = {"decision": "approve", "arguments": {"eur": 4}}
    path = f"{API}/tasks/a/approvals/{shown['step']}/resolve"
    assert 202 == (await rest.post(path, json=body)).status_code
    over = (await rest.get(f"{API}/approvals/{approval}")).json()
    assert ("approved", {"eur": 4}, "anonymous") == (
        over["status"],
        over["given_arguments"],
        over["resolved_by"],
    )
    assert tasks_pb2.ResolveApprovalRequest(arguments={}).HasField("arguments")


async def test_an_approval_of_a_task_that_ended_is_over(
    rest: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """Nobody can let a call be made that no task will make."""
    approval, question = await asking(store, "a")
    await rest.post(f"{API}/tasks/a/cancel")
    for path, body in (
        (f"approvals/{approval}/resolve", {"decision": "approve"}),
        (f"inputs/{question}/answer", {"answer": 1}),
    ):
        answer = await rest.post(f"{API}/{path}", json=body)
        assert (409, f"{URN}already_resolved") == (answer.status_code, answer.json()["type"])
        assert "cancelled" in answer.json()["detail"]


class EndsAtOnce(MemoryStore):
    """A store in which a task ends right after somebody has looked at what it asks."""

    async def get_ask(self, tenant_id: str, kind: AskKind, ask_id: str) -> Ask:
        ask = await super().get_ask(tenant_id, kind, ask_id)
        await self.cancel(tenant_id, ask.task_id)
        return ask


async def test_a_task_that_ends_between_the_look_and_the_word_was_quicker() -> None:
    """The same answer as if it had ended before."""
    store = EndsAtOnce(FrozenClock())
    approval, _ = await asking(store, "a")
    async with client_of(create_app(services_of(service_over(store), store))) as rest:
        path = f"{API}/approvals/{approval}/resolve"
        answer = await rest.post(path, json={"decision": "approve"})
    assert (409, f"{URN}already_resolved") == (answer.status_code, answer.json()["type"])
    assert "is cancelled" in answer.json()["detail"]


async def test_an_approval_that_expired_rejects_the_call(
    rest: httpx2.AsyncClient, store: MemoryStore, clock: FrozenClock
) -> None:
    """The task goes on without anybody, and its log says why."""
    approval, question = await asking(store, "a", expires_in_s=60)
    clock.advance(61)
    late = await rest.post(f"{API}/approvals/{approval}/resolve", json={"decision": "approve"})
    assert (409, f"{URN}already_resolved") == (late.status_code, late.json()["type"])
    assert 2 == await store.expire_asks(10)
    done = await run(store, expires_in_s=60)
    assert {
        "said": {"decision": "reject", "comment": "nobody decided in time"},
        "answer": "Nobody answered in time.",
    } == done.result
    for path in (f"approvals/{approval}", f"inputs/{question}"):
        assert "expired" == (await rest.get(f"{API}/{path}")).json()["status"]
