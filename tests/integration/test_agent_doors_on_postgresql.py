"""MCP and A2A over the composed process and PostgreSQL: what the suites of the fake have shown, once more."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ops_core.identity.requests import TenantRequest
from ops_core.moves import complete
from ops_core.principal import Principal
from ops_core.scopes import Scope
from ops_core.task import JsonObject
from opspawn import identity
from opspawn.webhooks import deliverer_of
from support.real_doors import RealDoors, real_doors

pytestmark = pytest.mark.integration

ANSWER: JsonObject = {"output": "391", "structured": None, "artifacts": []}


async def ask(http: httpx2.AsyncClient, method: str, **params: Any) -> Any:
    """What a request of A2A is answered with: its result, or its error."""
    sent = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = await http.post("/a2a/default", json=sent, headers={"A2A-Version": "1.0"})
    body = answer.json()
    return body.get("result", body.get("error"))


def message(**more: Any) -> dict[str, Any]:
    return {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "17 * 23?"}], **more}


def client_of(doors: RealDoors, key: str | None = None) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(base_url=doors.url, headers=headers, trust_env=False)


async def lines_of(answer: httpx2.Response) -> AsyncIterator[Any]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])["result"]


async def test_a_model_gives_work_waits_and_reads_the_answer(database_url: str) -> None:
    """Over MCP; the same key is the same task."""
    async with (
        real_doors(database_url) as doors,
        client_of(doors) as http,
        Client(streamable_http_client(f"{doors.url}/mcp", http_client=http)) as mcp,
    ):
        asked = {"goal": "17 * 23?", "within_s": 0, "idempotency_key": "k"}
        first = (await mcp.call_tool("run_default", asked)).structured_content
        again = (await mcp.call_tool("run_default", asked)).structured_content
        assert first is not None
        assert first == again
        waits = {"task_id": first["task_id"], "within_s": 20}
        waiting = asyncio.create_task(mcp.call_tool("wait_task", waits))
        await doors.settle(await doors.claim(), complete(ANSWER))
        told = (await waiting).structured_content
        assert told is not None
        assert ("completed", "391") == (told["status"], told["result"]["output"])


async def test_a_message_is_streamed_to_its_end(database_url: str) -> None:
    """Over A2A: the task, its moves, its answer; and it can be asked for afterwards."""
    async with real_doors(database_url) as doors, client_of(doors) as http:
        sent = {"jsonrpc": "2.0", "id": 7, "method": "SendStreamingMessage"}
        sent["params"] = {"message": message()}
        headers = {"A2A-Version": "1.0"}
        async with http.stream("POST", "/a2a/default", json=sent, headers=headers) as answer:
            told = lines_of(answer)
            task_id = (await anext(told))["task"]["id"]
            await doors.settle(await doors.claim(), complete(ANSWER))
            *_, answered, last = [one async for one in told]
        assert [{"text": "391"}] == answered["artifactUpdate"]["artifact"]["parts"]
        assert "TASK_STATE_COMPLETED" == last["statusUpdate"]["status"]["state"]
        found = await ask(http, "GetTask", id=task_id)
        assert "TASK_STATE_COMPLETED" == found["status"]["state"]


async def test_a_receiver_is_notified_by_the_deliverer_of_the_process(database_url: str) -> None:
    """Through the rules of where requests may go, with what it knows us by."""
    came: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        came.put_nowait((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    own = {"webhook_networks": "127.0.0.0/8", "webhook_http": True}
    async with (
        await asyncio.start_server(receive, "127.0.0.1", 0) as server,
        real_doors(database_url, **own) as doors,
        client_of(doors) as http,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a2a"
        config = {"url": url, "token": "t0ken"}
        configuration = {"returnImmediately": True, "taskPushNotificationConfig": config}
        sent = await ask(http, "SendMessage", message=message(), configuration=configuration)
        await doors.settle(await doors.claim(), complete(ANSWER))
        deliverer = deliverer_of(doors.parts.settings, doors.parts.database, doors.services)
        while (await deliverer.begin())[0]:
            await deliverer.settled()
        heads, bodies = zip(*[await came.get() for _ in range(came.qsize())], strict=True)
    assert "x-a2a-notification-token: t0ken" in heads[0]
    task = json.loads(bodies[-1])["task"]
    assert (sent["task"]["id"], "TASK_STATE_COMPLETED") == (task["id"], task["status"]["state"])


async def test_another_tenants_task_is_not_there(database_url: str, tmp_path: Path) -> None:
    """For either protocol: the same answer as for one that does not exist."""
    async with real_doors(database_url, auth="keys", data_dir=tmp_path) as doors:
        ours, theirs = await _two_keys(doors)
        async with client_of(doors, ours) as http:
            configuration = {"returnImmediately": True}
            sent = await ask(http, "SendMessage", message=message(), configuration=configuration)
        task_id = sent["task"]["id"]
        async with (
            client_of(doors, theirs) as http,
            Client(streamable_http_client(f"{doors.url}/mcp", http_client=http)) as mcp,
        ):
            for method in ("GetTask", "CancelTask", "SubscribeToTask"):
                assert -32001 == (await ask(http, method, id=task_id))["code"]
            listed = await ask(http, "ListTaskPushNotificationConfigs", taskId=task_id)
            assert -32001 == listed["code"]
            assert 0 == (await ask(http, "ListTasks"))["totalSize"]
            told = await mcp.call_tool("get_task", {"task_id": task_id})
            assert told.is_error
            assert told.structured_content is not None
            assert "task_not_found" in told.structured_content["type"]


async def _two_keys(doors: RealDoors) -> tuple[str, str]:
    """Of the operator's tenant, and of another one."""
    ours = await identity.first_key(doors.parts.settings, doors.parts.database)
    operator = Principal(tenant_id="default", subject="x", scopes=frozenset({Scope.ADMIN}))
    asked = TenantRequest(tenant_id="acme", name="Acme")
    theirs = await doors.services.tenants.create(asked, by=operator, request_id="")
    return str(ours), str(theirs.text)
