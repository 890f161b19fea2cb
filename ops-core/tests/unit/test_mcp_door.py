"""MCP: the tools, through the official client over streamable HTTP."""

import asyncio
from typing import Any

import httpx2
import pytest
from agent_door_support import KeyedGate, Open, TellingStore, mcp_client, opened
from asking_task import asking
from door_support import SECRET, AwayStore, BuggyStore
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from structlog.testing import capture_logs

from ops_core.testing import MemoryStore

TASKS = "/api/v1/tasks"
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured result of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> Any:
    """The problem of a call that must be refused."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    return result.structured_content


async def test_there_is_a_tool_for_each_thing_to_do_and_for_each_agent() -> None:
    """Each has a schema for what it takes and for what it gives."""
    async with opened() as door, mcp_client(door) as client:
        tools = (await client.list_tools()).tools
        expected = [
            "submit_task",
            "get_task",
            "wait_task",
            "list_tasks",
            "cancel_task",
            "answer_task",
            "resolve_approval",
            "run_default",
        ]
        assert expected == [tool.name for tool in tools]
        assert all(tool.output_schema and tool.input_schema for tool in tools)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_task_is_what_rest_shows(mode: Any) -> None:
    """A task that was submitted here has the same JSON there, in both eras of the protocol."""
    async with opened() as door, mcp_client(door, mode=mode) as client:
        task = await call(client, "submit_task", task_type="noop", input_data={"n": 1})
        assert (await door.http.get(f"{TASKS}/{task['task_id']}")).json() == task
        assert task == await call(client, "get_task", task_id=task["task_id"])
        assert [task] == (await call(client, "list_tasks", limit=5))["tasks"]


async def test_a_key_of_rest_is_the_same_key_here() -> None:
    """The same request under the same key is the same task on both doors."""
    async with opened() as door, mcp_client(door) as client:
        body = {"task_type": "noop", "input_data": {"n": 1}}
        sent = await door.http.post(f"{TASKS}/", json=body, headers={"Idempotency-Key": "k"})
        task = await call(client, "submit_task", idempotency_key="k", **body)
        assert sent.json()["task_id"] == task["task_id"]
        other = await refusal(client, "submit_task", idempotency_key="k", task_type="noop")
        assert other["type"] == "idempotency_conflict"


async def test_an_agent_answers_the_call_that_gave_it_the_goal() -> None:
    """The call returns with the answer as text, and tells how it goes meanwhile."""
    store = TellingStore()
    async with opened(store) as door, mcp_client(door) as client:
        told: list[str | None] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            told.append(message)

        running = asyncio.create_task(
            client.call_tool(
                "run_default", {"goal": "What is 17 * 23?"}, progress_callback=progress
            )
        )
        await store.submitted.wait()
        task_id = await door.complete("391")
        result = await running
        content: Any = result.content[0]
        assert content.text == "391"
        assert result.structured_content == {
            "task_id": task_id,
            "status": "completed",
            "answer": "391",
            "structured": None,
            "error": None,
            "partial": None,
            "waiting_for": None,
        }
        assert told[-1] == "task.completed"


async def test_a_wait_is_over_after_its_time() -> None:
    """The task is told as it is, and goes on."""
    async with opened() as door, mcp_client(door) as client:
        run = await call(client, "run_default", goal="x", within_s=0)
        assert (run["status"], run["answer"]) == ("pending", None)
        waited = await call(client, "wait_task", task_id=run["task_id"], within_s=0.05)
        assert waited["status"] == "pending"


async def test_a_wait_ends_when_somebody_is_needed() -> None:
    """A task that asks a person does not come on by waiting."""
    store = MemoryStore()
    await asking(store, "task_a")
    async with opened(store) as door, mcp_client(door) as client:
        task = await call(client, "wait_task", task_id="task_a", within_s=300)
        assert task["status"] == "waiting"


async def test_what_a_task_asks_is_answered_by_tools() -> None:
    """A question with its answer, an approval by its id, which is decided once."""
    store = MemoryStore()
    approval_id, input_id = await asking(store, "task_a")
    async with opened(store) as door, mcp_client(door) as client:
        await call(client, "answer_task", task_id="task_a", answer="this one")
        sent = {"decision": "reject", "comment": "no", "idempotency_key": "k"}
        said = await call(client, "resolve_approval", approval_id=approval_id, **sent)
        said = await call(
            client,
            "resolve_approval",
            approval_id=approval_id,
            decision="reject",
            comment="no",
            idempotency_key="k",
        )
        assert ("rejected", "no", "anonymous") == (
            said["status"],
            said["comment"],
            said["resolved_by"],
        )
        question = await door.services.inputs.get(input_id, tenant_id="default")
        assert question.resolution == {"answer": "this one"}
        assert said == await call(client, "resolve_approval", approval_id=approval_id, **sent)
        again = await refusal(
            client, "resolve_approval", approval_id=approval_id, decision="approve"
        )
        assert again["type"] == "already_resolved"


async def test_a_task_is_cancelled() -> None:
    """Cancelling it again says the same."""
    async with opened() as door, mcp_client(door) as client:
        task = await call(client, "submit_task", task_type="noop")
        for _ in range(2):
            told = await call(client, "cancel_task", task_id=task["task_id"])
            assert told["status"] == "cancelled"


@pytest.mark.parametrize(
    ("tool", "arguments", "type_", "path"),
    [
        ("get_task", {"task_id": "task_none"}, "task_not_found", None),
        ("get_task", {}, "invalid_request", "task_id"),
        ("wait_task", {"task_id": "x", "within_s": 301}, "invalid_request", "within_s"),
        ("submit_task", {"task_type": "noop", "surprise": 1}, "invalid_request", "surprise"),
        ("submit_task", {"task_type": "agent_run"}, "invalid_request", "input_data.goal"),
        ("submit_task", {"task_type": "noop", "name": "\x00"}, "invalid_request", "name"),
        (
            "submit_task",
            {"task_type": "noop", "idempotency_key": ""},
            "invalid_request",
            "idempotency_key",
        ),
        ("run_nobody", {"goal": "x"}, "invalid_request", "agent"),
        ("list_tasks", {"cursor": "wrong"}, "invalid_request", "cursor"),
        ("answer_task", {"task_id": "task_none", "answer": 1}, "task_not_found", None),
        (
            "resolve_approval",
            {"approval_id": "apr_x", "decision": "maybe"},
            "invalid_request",
            "decision",
        ),
    ],
)
async def test_a_refusal_has_the_type_that_rest_gives(
    tool: str, arguments: dict[str, Any], type_: str, path: str | None
) -> None:
    """As an error of the tool, which a model can read, with each wrong field."""
    async with opened() as door, mcp_client(door) as client:
        said = await refusal(client, tool, **arguments)
        assert type_ == said["type"]
        assert path is None or path in [field["path"] for field in said["errors"]]


async def test_a_tool_that_is_none_is_an_error_of_the_protocol() -> None:
    """Not of a tool: there is none."""
    async with opened() as door, mcp_client(door) as client:
        with pytest.raises(MCPError, match="no tool 'walk'"):
            await client.call_tool("walk", {})


async def test_what_is_away_and_what_is_broken_is_not_told_in_its_own_words() -> None:
    """A store's error may name hosts and users; a bug goes to the log."""
    async with opened(AwayStore()) as door, mcp_client(door) as client:
        said = await refusal(client, "get_task", task_id="x")
        assert ("store_unavailable", 2) == (said["type"], said["retry_after_s"])
        assert SECRET not in str(said)
    with capture_logs() as logs:
        async with opened(BuggyStore()) as door, mcp_client(door) as client:
            said = await refusal(client, "get_task", task_id="x")
            assert said["type"] == "internal"
            assert SECRET not in str(said)
    assert ["mcp_call_failed"] == [line["event"] for line in logs]


async def post(door: Open, **headers: str) -> httpx2.Response:
    return await door.http.post("/mcp", json=CALL, headers={**ACCEPT, **headers})


async def test_pages_of_other_origins_are_refused() -> None:
    """A browser says where a page comes from; a program says nothing."""
    async with opened(names=frozenset({"ops.example.org"})) as door:
        assert (await post(door)).status_code == 200
        assert (await post(door, Origin="http://localhost:3000")).status_code == 200
        assert (await post(door, Origin="https://ops.example.org")).status_code == 200
        assert (await post(door, Origin="https://evil.example.org")).status_code == 403
        assert (await post(door, Origin="null")).status_code == 403


async def test_a_local_server_is_not_called_by_another_name() -> None:
    """A name that was bent to 127.0.0.1 stays in the Host header."""
    async with opened(local=True) as door:
        assert (await post(door)).status_code == 200
        assert (await post(door, Host="evil.example.org:8000")).status_code == 403


async def test_a_body_is_bounded_here_too() -> None:
    """As at every other path."""
    async with opened() as door:
        answer = await door.http.post("/mcp", content=b" " * 200_000, headers=ACCEPT)
        assert answer.status_code == 413


async def test_both_spellings_of_the_path_answer() -> None:
    """With and without the slash, without a redirect."""
    async with opened() as door:
        assert (await door.http.post("/mcp/", json=CALL, headers=ACCEPT)).status_code == 200


async def test_a_stranger_is_told_so_by_the_status() -> None:
    """As REST does it, before the protocol has its say."""
    async with opened(gate=KeyedGate()) as door:
        answer = await post(door)
        assert (401, "Bearer") == (
            answer.status_code,
            answer.headers["www-authenticate"].split(" ")[0],
        )
        assert (await post(door, Authorization="Bearer right")).status_code == 200


async def test_a_tool_needs_what_the_route_of_rest_needs() -> None:
    """And what is audited there is written down here, with the task that it is about."""
    gate = KeyedGate("create_task")
    async with opened(gate=gate) as door:
        http = httpx2.AsyncClient(headers={"Authorization": "Bearer right"})
        url = str(door.http.base_url.join("/mcp"))
        async with http, Client(streamable_http_client(url, http_client=http)) as client:
            for tool, sent in (
                ("submit_task", {"task_type": "noop"}),
                ("run_default", {"goal": "x"}),
            ):
                assert (await refusal(client, tool, **sent))["type"] == "missing_scope"
            await refusal(client, "cancel_task", task_id="task_none")
    assert ("cancel_task", "task_none") in gate.recorded


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("initialize", b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "initialize"}'),
        ("tools/call", b'{"jsonrpc": "2.0", "id": "x", "method": "\\ud800"}'),
        ("{", b"{"),
    ],
)
async def test_what_no_answer_can_hold_is_no_fault_of_the_server(method: str, body: bytes) -> None:
    """Half of a character in an id or a method; and a stranger hears of none of it."""
    async with opened(gate=KeyedGate()) as door:
        sent = {**ACCEPT, "Content-Type": "application/json"}
        assert 401 == (await door.http.post("/mcp", content=body, headers=sent)).status_code
        known = {**sent, "Authorization": "Bearer right"}
        answer = await door.http.post("/mcp", content=body, headers=known)
        assert answer.status_code < 500, (method, answer.text)
