"""A2A: the agents, as an agent of somebody else uses them, over JSON-RPC."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from a2a_support import AGENT, VERSION, ask, error, message, request, send, stream
from agent_door_support import KeyedGate, TellingStore, mcp_client, opened
from door_support import SECRET, AwayStore, BuggyStore, channel_to, stub_of
from structlog.testing import capture_logs
from waiting_task import APPROVAL, EFFECT, QUESTION, waiting

from ops_core.rpc.v1 import tasks_pb2
from ops_core.testing import MemoryStore


async def test_a_card_says_where_its_agent_is() -> None:
    """At the root that of the default agent, and under each agent its own."""
    async with opened() as door:
        card = (await door.http.get("/.well-known/agent-card.json")).json()
        assert card == (await door.http.get(f"{AGENT}/.well-known/agent-card.json")).json()
        [interface] = card["supportedInterfaces"]
        assert interface == {
            "url": str(door.http.base_url.join(AGENT)),
            "protocolBinding": "JSONRPC",
            "protocolVersion": "1.0",
        }
        assert card["capabilities"]["pushNotifications"] is True
        assert ["default"] == [skill["id"] for skill in card["skills"]]
        other = await door.http.get("/a2a/nobody/.well-known/agent-card.json")
        assert other.status_code == 404


async def test_a_message_begins_a_task_that_rest_shows() -> None:
    """The same id, with the goal as it was said and the context as its thread."""
    async with opened() as door:
        sent = await send(door, message(), returnImmediately=True)
        assert sent["status"]["state"] == "TASK_STATE_SUBMITTED"
        task = (await door.http.get(f"/api/v1/tasks/{sent['id']}")).json()
        assert (task["input_data"], task["thread_id"]) == (
            {"goal": "What is 17 * 23?"},
            sent["contextId"],
        )


async def test_the_id_of_a_message_is_its_idempotency_key() -> None:
    """Sent again it is the same task; with another text it is refused."""
    async with opened() as door:
        first = await send(door, message(), returnImmediately=True)
        assert first == await send(door, message(), returnImmediately=True)
        other = await error(door, "SendMessage", message=message("Another goal"))
        assert other["data"][0]["metadata"]["type"] == "idempotency_conflict"


async def test_a_message_is_answered_when_its_task_has_ended() -> None:
    """The answer is an artifact."""
    store = TellingStore()
    async with opened(store) as door:
        sending = asyncio.create_task(send(door, message()))
        await store.submitted.wait()
        await door.complete("391")
        task = await sending
        assert task["status"]["state"] == "TASK_STATE_COMPLETED"
        assert task["artifacts"][0]["parts"] == [{"text": "391"}]
        assert task == await ask(door, "GetTask", id=task["id"])


async def test_a_stream_tells_the_answer_and_then_the_end() -> None:
    """First the task as it stands; after its last state nothing follows."""
    async with opened() as door, stream(door, "SendStreamingMessage", message=message()) as told:
        first = await anext(told)
        assert first["task"]["status"]["state"] == "TASK_STATE_SUBMITTED"
        await door.complete("391")
        rest = [one async for one in told]
        assert ["artifactUpdate", "statusUpdate"] == [name for one in rest[-2:] for name in one]
        assert rest[-2]["artifactUpdate"]["artifact"]["parts"] == [{"text": "391"}]
        assert rest[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_whoever_comes_later_follows_from_there() -> None:
    """A task that has ended has nothing to follow."""
    async with opened() as door:
        task = await send(door, message(), returnImmediately=True)
        async with stream(door, "SubscribeToTask", id=task["id"]) as told:
            assert task == (await anext(told))["task"]
            await door.complete("391")
            last = [one async for one in told][-1]
            assert last["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
        assert (await error(door, "SubscribeToTask", id=task["id"]))["code"] == -32004


async def test_a_message_to_a_task_answers_its_question() -> None:
    """The question is what the task says."""
    store = MemoryStore()
    await waiting(store, "task_a", QUESTION)
    async with opened(store) as door:
        asks = await ask(door, "GetTask", id="task_a")
        assert asks["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
        assert {"text": "Which one?"} in asks["status"]["message"]["parts"]
        sent = message("this one", taskId="task_a", contextId=asks["contextId"])
        answered = await send(door, sent, returnImmediately=True)
        assert answered["status"]["state"] == "TASK_STATE_WORKING"
        [event] = [
            event
            for event in await door.tasks.events("task_a", tenant_id="default")
            if event.type == "input.received"
        ]
        assert (event.data["answer"], event.data["by"]) == ("this one", "anonymous")


async def test_a_call_is_approved_by_data_and_never_by_prose() -> None:
    """A model that says "approve" in passing lets nothing happen."""
    store = MemoryStore()
    await waiting(store, "task_a", APPROVAL)
    async with opened(store) as door:
        words = await error(door, "SendMessage", message=message("approve", taskId="task_a"))
        assert (-32602, "message.parts") == (words["code"], words["message"].split(":")[0])
        data = message(taskId="task_a") | {"parts": [{"data": {"decision": "approve"}}]}
        assert (await send(door, data, returnImmediately=True))["status"]["state"] != (
            "TASK_STATE_INPUT_REQUIRED"
        )


async def test_a_call_in_doubt_is_for_a_person() -> None:
    """No message settles it."""
    store = MemoryStore()
    await waiting(store, "task_a", EFFECT)
    async with opened(store) as door:
        said = await error(door, "SendMessage", message=message(taskId="task_a"))
        assert said["code"] == -32004


async def test_tasks_are_listed_by_context_and_state() -> None:
    """Newest first, page by page."""
    async with opened() as door:
        first = await send(door, message(id_="a"), returnImmediately=True)
        context = first["contextId"]
        second = await send(door, message(id_="b", contextId=context), returnImmediately=True)
        await send(door, message(id_="c"), returnImmediately=True)
        page = await ask(door, "ListTasks", contextId=context, pageSize=1)
        # Without artifacts there is no such field, says the protocol, not an empty one.
        assert "artifacts" not in page["tasks"][0]
        assert ([second["id"]], 2) == ([task["id"] for task in page["tasks"]], page["totalSize"])
        rest = await ask(
            door,
            "ListTasks",
            contextId=context,
            pageSize=1,
            pageToken=page["nextPageToken"],
            includeArtifacts=True,
        )
        assert ([first], "") == (rest["tasks"], rest["nextPageToken"])
        working = await ask(door, "ListTasks", status="TASK_STATE_WORKING")
        assert [] == working["tasks"]


async def test_the_task_that_moved_last_is_listed_first() -> None:
    """Page by page; and only those that moved since a time, which is among them."""
    async with opened() as door:
        first, second = [
            await send(door, message(id_=each), returnImmediately=True) for each in "ab"
        ]
        third = await send(door, message(id_="c"), returnImmediately=True)
        moved = await ask(door, "CancelTask", id=first["id"])
        page = await ask(door, "ListTasks", pageSize=2)
        assert [first["id"], third["id"]] == [task["id"] for task in page["tasks"]]
        rest = await ask(door, "ListTasks", pageSize=2, pageToken=page["nextPageToken"])
        assert [second["id"]] == [task["id"] for task in rest["tasks"]]
        since = moved["status"]["timestamp"]
        recent = await ask(door, "ListTasks", statusTimestampAfter=since)
        assert [first["id"]] == [task["id"] for task in recent["tasks"]]
        wrong = await error(door, "ListTasks", statusTimestampAfter="1066-10-14T00:00:00Z")
        assert -32602 == wrong["code"]


async def test_a_task_is_cancelled_once_and_not_after_its_end() -> None:
    """Cancelled again it stays cancelled."""
    async with opened() as door:
        task = await send(door, message(), returnImmediately=True)
        for _ in range(2):
            told = await ask(door, "CancelTask", id=task["id"])
            assert told["status"]["state"] == "TASK_STATE_CANCELED"
        await send(door, message(id_="m-2"), returnImmediately=True)
        done = await door.complete("391")
        assert (await error(door, "CancelTask", id=done))["code"] == -32002


@pytest.mark.parametrize(
    ("method", "params", "code", "type_"),
    [
        ("GetTask", {"id": "task_none"}, -32001, "task_not_found"),
        ("GetTask", {}, -32602, "invalid_request"),
        ("SendMessage", {"message": message("")}, -32602, "invalid_request"),
        ("SendMessage", {"message": message(id_="")}, -32602, "invalid_request"),
        ("SendMessage", {"message": message(taskId="task_none")}, -32001, "task_not_found"),
        ("ListTasks", {"status": "TASK_STATE_REJECTED"}, -32602, "invalid_request"),
        ("ListTasks", {"pageToken": "wrong"}, -32602, "invalid_request"),
        ("GetExtendedAgentCard", {}, -32007, None),
        ("message/send", {"message": message()}, -32601, None),
    ],
)
async def test_a_refusal_has_the_code_of_the_protocol_and_our_type(
    method: str, params: Any, code: int, type_: str | None
) -> None:
    """The type is the same as on every other door."""
    async with opened() as door:
        said = await error(door, method, **params)
        assert (code, type_) == (said["code"], said["data"][0].get("metadata", {}).get("type"))


async def test_files_are_not_taken() -> None:
    """Nor is an address to fetch one from."""
    async with opened() as door:
        sent = message() | {"parts": [{"url": "http://x/y"}]}
        assert (await error(door, "SendMessage", message=sent))["code"] == -32005


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", VERSION, -32700),
        (b"[" * 100_000, VERSION, -32700),
        (b"[]", VERSION, -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "GetTask"}', VERSION, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": [1]}', VERSION, -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask"}', {}, -32009),
    ],
)
async def test_what_is_no_request_is_refused(
    body: bytes, headers: dict[str, str], code: int
) -> None:
    """By the codes of JSON-RPC, whatever it is; without a version it is of 0.3."""
    async with opened() as door:
        sent = {**headers, "Content-Type": "application/json"}
        answer = await door.http.post(AGENT, content=body, headers=sent)
        assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize("id_", [b'"\\ud800"', b'"x\\udfffy"', b'"' + b"x" * 1001 + b'"'])
@pytest.mark.parametrize("method", [b"GetTask", b"SubscribeToTask"])
async def test_an_id_that_cannot_be_sent_back_is_refused(id_: bytes, method: bytes) -> None:
    """JSON can name half of a character, which no answer can hold; the answer has no id then."""
    body = b'{"jsonrpc": "2.0", "id": ' + id_ + b', "method": "' + method + b'"}'
    async with opened() as door:
        sent = {**VERSION, "Content-Type": "application/json"}
        answer = await door.http.post(AGENT, content=body, headers=sent)
        assert (200, None, -32600) == (
            answer.status_code,
            answer.json()["id"],
            answer.json()["error"]["code"],
        )


@pytest.mark.parametrize(
    "params", [{"id": "\ud800"}, {"\ud800": 1}, {"message": {"parts": [{"text": "\udfff"}]}}]
)
async def test_half_a_character_in_the_parameters_is_refused(params: Any) -> None:
    """As a parameter, wherever it stands."""
    async with opened() as door:
        for method in ("GetTask", "SendMessage", "ListTasks"):
            body = json.dumps(request(method, params))
            sent = {**VERSION, "Content-Type": "application/json"}
            answer = await door.http.post(AGENT, content=body, headers=sent)
            assert -32602 == answer.json()["error"]["code"]


@pytest.mark.parametrize("body", [b"{", b"[]", json.dumps(request("Nothing", {})).encode()])
async def test_a_stranger_is_told_so_before_his_request_is_read(body: bytes) -> None:
    """Whatever it is; nothing of it is answered."""
    async with opened(gate=KeyedGate()) as door:
        sent = {**VERSION, "Content-Type": "application/json"}
        assert 401 == (await door.http.post(AGENT, content=body, headers=sent)).status_code
        known = {**sent, "Authorization": "Bearer right"}
        assert 200 == (await door.http.post(AGENT, content=body, headers=known)).status_code


async def test_what_is_away_and_what_is_broken_is_not_told_in_its_own_words() -> None:
    """A store's error may name hosts and users; a bug goes to the log."""
    with capture_logs() as logs:
        for store in (AwayStore(), BuggyStore()):
            async with opened(store) as door:
                said = await error(door, "GetTask", id="x")
                assert said["code"] == -32603
                assert SECRET not in str(said)
    assert ["a2a_request_failed"] == [line["event"] for line in logs]


async def test_pages_of_other_origins_and_bodies_that_are_no_json_are_refused() -> None:
    """As at every door that a page in a browser could reach."""
    async with opened() as door:
        sent = request("GetTask", {"id": "x"})
        page = {**VERSION, "Origin": "https://evil.example.org"}
        assert (await door.http.post(AGENT, json=sent, headers=page)).status_code == 403
        assert (await door.http.post(AGENT, content=b"{}", headers=VERSION)).status_code == 415
        big = await door.http.post(AGENT, json={"x": "y" * 200_000}, headers=VERSION)
        assert big.status_code == 413


async def test_one_task_goes_through_every_door() -> None:
    """Given to MCP's tool, found here and over REST, cancelled over gRPC: one id, one state."""
    async with opened() as door, mcp_client(door) as mcp, channel_to(door.services) as channel:
        run = await mcp.call_tool("run_default", {"goal": "x", "within_s": 0})
        task_id = run.structured_content["task_id"]
        found = await ask(door, "GetTask", id=task_id)
        assert found["status"]["state"] == "TASK_STATE_SUBMITTED"
        assert (await door.http.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "pending"
        await stub_of(channel).CancelTask(tasks_pb2.CancelTaskRequest(task_id=task_id))
        told = await mcp.call_tool("get_task", {"task_id": task_id})
        assert told.structured_content["status"] == "cancelled"
        found = await ask(door, "GetTask", id=task_id)
        assert found["status"]["state"] == "TASK_STATE_CANCELED"


async def test_what_rest_approves_is_approved_here() -> None:
    """Nothing is left to say to it."""
    store = MemoryStore()
    await waiting(store, "task_a", APPROVAL)
    async with opened(store) as door:
        path = f"/api/v1/tasks/task_a/approvals/{quote(APPROVAL, safe='')}/resolve"
        approved = await door.http.post(path, json={"decision": "approve"})
        assert approved.status_code == 202
        data = message(taskId="task_a") | {"parts": [{"data": {"decision": "approve"}}]}
        assert (await error(door, "SendMessage", message=data))["code"] == -32004


async def test_whoever_may_not_is_told_so_by_the_status() -> None:
    """401 for a stranger, 403 for a key that lacks the scope; the card at the root is public."""
    async with opened(gate=KeyedGate("create_task")) as door:
        sent = request("SendMessage", {"message": message()})
        assert (await door.http.post(AGENT, json=sent, headers=VERSION)).status_code == 401
        known = {**VERSION, "Authorization": "Bearer right"}
        assert (await door.http.post(AGENT, json=sent, headers=known)).status_code == 403
        assert (await door.http.get("/.well-known/agent-card.json")).status_code == 200
        assert (await door.http.get(f"{AGENT}/.well-known/agent-card.json")).status_code == 401
