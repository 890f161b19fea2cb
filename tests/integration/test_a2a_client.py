"""A2A, as an independent client speaks it: the JavaScript SDK of the protocol, in a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ops_core.a2a.notification import notification
from ops_core.moves import complete
from ops_core.ports import Lease
from ops_core.task import JsonObject
from ops_core.testing import MemoryStore, MemoryWebhooks
from support.agent_doors import doors_over
from support.npm import installed, node

CLIENT = Path(__file__).parents[1] / "support" / "a2a_client"


class JsClient:
    """The client's process: one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def stream(self, method: str, **params: Any) -> AsyncIterator[Any]:
        """What it is given, as it comes."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": method, "with": params}).encode() + b"\n")
        while "is" in (line := await self._line()):
            yield line["is"]
        assert line == {"done": True}

    async def ask(self, method: str, **params: Any) -> Any:
        """The one thing it is given."""
        [given] = [given async for given in self.stream(method, **params)]
        return given

    async def refused(self, method: str, **params: Any) -> str:
        """The name of the SDK's error."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": method, "with": params}).encode() + b"\n")
        return str((await self._line())["failed"])

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            return json.loads(await self._process.stdout.readline() or '"it has ended"')


@asynccontextmanager
async def client_of(url: str, modules: Path) -> AsyncIterator[JsClient]:
    process = await asyncio.create_subprocess_exec(
        *(str(node()), str(CLIENT / "client.mjs"), str(modules), url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield JsClient(process)
    assert process.stdin is not None
    process.stdin.close()
    assert 0 == await process.wait()


@pytest.fixture(scope="module")
def modules() -> Path:
    return installed(CLIENT)


def message(id_: str, **more: Any) -> dict[str, Any]:
    parts = [{"text": "What is 17 * 23?"}]
    return {"messageId": id_, "role": "ROLE_USER", "parts": parts, **more}


async def finish(store: MemoryStore) -> None:
    """Does the one task that is pending, as a worker would."""
    await store.beat("w", ["default"], slots=1, running=0)
    [task] = await store.claim("w", ["default"], 1)
    result: JsonObject = {"output": "391", "structured": None, "artifacts": []}
    await store.settle(Lease(task.tenant_id, task.task_id, "w", task.epoch), complete(result))


def state_of(event: Any) -> str:
    """Of a stream's event that has one."""
    (held,) = event.values()
    return str(held["status"]["state"])


async def test_another_client_does_everything_that_the_card_says(modules: Path) -> None:
    """Card, send, get, list, stream, resubscribe, cancel, and what is refused."""
    store = MemoryStore()
    async with doors_over(store) as url, client_of(url, modules) as client:
        now = {"returnImmediately": True}
        task = await client.ask("sendMessage", message=message("a"), configuration=now)
        assert task["id"] == (await client.ask("getTask", id=task["id"]))["id"]
        listed = await client.ask("listTasks", contextId=task["contextId"])
        assert [task["id"]] == [one["id"] for one in listed["tasks"]]
        told = client.stream("resubscribeTask", id=task["id"])
        assert state_of(await anext(told)) == "TASK_STATE_SUBMITTED"
        await finish(store)
        rest = [event async for event in told]
        assert rest[-2]["artifactUpdate"]["artifact"]["parts"][0]["text"] == "391"
        assert state_of(rest[-1]) == "TASK_STATE_COMPLETED"

        told = client.stream("sendMessageStream", message=message("b"))
        second = (await anext(told))["task"]
        await finish(store)
        assert state_of([event async for event in told][-1]) == "TASK_STATE_COMPLETED"

        third = await client.ask("sendMessage", message=message("c"), configuration=now)
        assert third["id"] == (await client.ask("cancelTask", id=third["id"]))["id"]
        assert "TaskNotCancelableError" in await client.refused("cancelTask", id=second["id"])
        assert "TaskNotFoundError" in await client.refused("getTask", id="task_none")


async def test_another_client_asks_for_notifications_and_reads_them(modules: Path) -> None:
    """Configs are created, shown, listed and deleted; what is sent for them is an event of the protocol."""
    store = MemoryStore()
    webhooks = MemoryWebhooks(store)
    async with doors_over(store, webhooks) as url, client_of(url, modules) as client:
        given = {"url": "https://example.org/a2a", "token": "t0ken"}
        now = {"returnImmediately": True, "taskPushNotificationConfig": given}
        task = await client.ask("sendMessage", message=message("a"), configuration=now)
        of = {"taskId": task["id"]}
        more = await client.ask("createTaskPushNotificationConfig", id="more", **of, **given)
        assert ("more", "t0ken") == (more["id"], more["token"])
        found = await client.ask("getTaskPushNotificationConfig", id="more", **of)
        assert (given["url"], "") == (found["url"], found["token"])
        await client.ask("deleteTaskPushNotificationConfig", id="more", **of)
        listed = await client.ask("listTaskPushNotificationConfig", **of)
        assert [given["url"]] == [config["url"] for config in listed["configs"]]

        await finish(store)
        taken = await webhooks.claim(9, busy=(), under_way={}, per_tenant=9, lease_s=9)
        *_, last = [json.loads(notification(each)) for each in taken.claimed]
        read = await client.ask("readNotification", **last)
        assert state_of(read) == "TASK_STATE_COMPLETED"
        assert "391" == read["task"]["artifacts"][0]["parts"][0]["text"]
