"""A webhook that decides, over the composed process, PostgreSQL and a real socket."""

import asyncio

import httpx2
import pytest

from ops_core.ask import AskKind, ask_id
from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, Lease
from ops_core.store import SqlWorkerStore
from ops_core.task import Task, Usage
from opspawn.webhooks import deliverer_of
from support.real_doors import WORKER, RealDoors, real_doors

pytestmark = pytest.mark.integration

STEP = "1/tool/1/approval/1"
ANSWER = b'{"decision": "approve", "comment": "Fine."}'


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + ANSWER)
    await writer.drain()
    writer.close()


async def ask(doors: RealDoors, task: Task) -> str:
    """What its worker would have it ask; the id of the approval."""
    name = ask_id(AskKind.APPROVAL, task.task_id, STEP, 1)
    asked = {"path": STEP, "tool": "pay", "arguments": {}, "approval_id": name}
    entry = {"v": 1, "path": STEP, "hash": "h"}
    event = NewEvent(type=EventType.APPROVAL_REQUESTED, data=asked, journal=entry)
    lease = Lease(task.tenant_id, task.task_id, WORKER, task.epoch)
    await SqlWorkerStore(doors.parts.database).append([Append(lease, [event], Usage())])
    return name


async def test_the_deliverer_of_the_process_does_what_a_receiver_decides(database_url: str) -> None:
    """Made by REST, sent by the dispatcher, decided by the answer, shown by REST."""
    own = {"webhook_networks": "127.0.0.0/8", "webhook_http": True}
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        real_doors(database_url, **own) as doors,
        httpx2.AsyncClient(base_url=f"{doors.url}/api/v1", trust_env=False) as http,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        hook = {"url": url, "events": ["approval.requested"], "decides": True}
        made = (await http.post("/webhooks/", json=hook)).json()
        work = {"task_type": "agent_run", "input_data": {"goal": "Pay."}}
        await http.post("/tasks/", json=work)
        name = await ask(doors, await doors.claim())
        deliverer = deliverer_of(doors.parts.settings, doors.parts.database, doors.services)
        assert (1, 0) == await deliverer.begin()
        await deliverer.settled()
        approval = (await http.get(f"/approvals/{name}")).json()
        sent = (await http.get(f"/webhooks/{made['webhook_id']}/deliveries")).json()["deliveries"]
    assert ("approved", f"webhook {made['webhook_id']}", "Fine.") == (
        approval["status"],
        approval["resolved_by"],
        approval["comment"],
    )
    assert ["approved"] == [attempt["decision"] for attempt in sent[0]["attempts"]]
