"""Webhooks over real sockets: receivers that fail, are slow, lead elsewhere, or are not to be reached."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from ops_core.ask import AskKind, ask_id
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.deciding import HookDecisions
from ops_core.asks.inputs import InputService
from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, Lease, TaskType
from ops_core.service import TaskService
from ops_core.task import NewTask, Usage
from ops_core.testing import FrozenClock, MemoryStore, MemoryWebhooks
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.model import DeliveryStatus, HookSpec
from ops_core.webhooks.port import NoAnswer, Refused
from ops_core.webhooks.signing import headers, new_secret
from opspawn.settings import Settings
from opspawn.webhook_sender import MAX_ANSWER, EgressSender, egress_sender
from support.documents import blocks, read

pytestmark = pytest.mark.integration


def said(status: str, body: bytes = b"", *lines: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class Receiver:
    """Answers with one whole HTTP answer after the other, and then not at all."""

    answers: list[bytes]
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=x"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):  # the sender has left, as it may
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.partition(": ") for line in head.splitlines()[1:] if line]
        headers = {name.lower(): value for name, _, value in lines}
        self.came.append((headers, await reader.readexactly(int(headers["content-length"]))))
        if self.answers:
            writer.write(self.answers.pop(0))
            await writer.drain()
        else:
            await reader.read()  # until the sender leaves


@asynccontextmanager
async def receiving(*answers: bytes) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers))
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
        await asyncio.gather(*(task for task in receiver.serving if task is not None))


def sender(**settings: object) -> EgressSender:
    return egress_sender(settings_of(**settings))


def settings_of(**settings: object) -> Settings:
    home = {"webhook_networks": "127.0.0.0/8", "webhook_http": True, **settings}
    return Settings(_env_file=None, **home)  # type: ignore[arg-type]


async def test_a_flaky_receiver_gets_it_in_the_end_and_can_verify_it() -> None:
    """500, 500, 200: one id, a signature that an independent library verifies."""
    clock, secret = FrozenClock(datetime.now(UTC)), new_secret()
    async with receiving(said("500 Oh"), said("500 Oh"), said("204 No Content")) as receiver:
        tasks = MemoryStore(clock)
        webhooks = MemoryWebhooks(tasks)
        spec = HookSpec(url=receiver.url, events=("task.*",))
        await webhooks.create("default", spec, secret, by="x", limit=9)
        new = NewTask(task_id="t", tenant_id="default", task_type="noop", input_data={})
        await tasks.submit(new)
        loop = Deliverer(webhooks, sender())
        for rest_s in (0, 6, 11):
            clock.advance(rest_s)
            await loop.begin()
            await loop.settled()
        [delivery] = (await webhooks.deliveries("default", limit=9, cursor=None)).deliveries
    assert (DeliveryStatus.DELIVERED, 3) == (delivery.status, len(delivery.attempts))
    assert {delivery.delivery_id} == {came["webhook-id"] for came, _ in receiver.came}
    came, body = receiver.came[-1]
    verified = Webhook(secret.get_secret_value()).verify(body, came)
    assert "task.submitted" == verified["type"]


async def test_an_answer_is_read_no_further_than_needed() -> None:
    """A huge one counts by its status, and Retry-After is heard."""
    huge = said("503 Busy", b"x" * 5_000_000, "Retry-After: 7")
    async with receiving(huge, said("200 OK", b"x" * MAX_ANSWER)) as receiver:
        answer = await sender().post(receiver.url, b"{}", {"webhook-id": "dlv_1"})
        whole = await sender().post(receiver.url, b"{}", {"webhook-id": "dlv_1"})
    assert (503, MAX_ANSWER, 7.0) == (answer.status_code, len(answer.body), answer.retry_after_s)
    assert (True, False) == (answer.cut, whole.cut)


async def test_a_redirect_is_not_followed() -> None:
    """It is what the receiver answered, which is no delivery."""
    async with receiving(said("200 OK")) as elsewhere:
        moved = said("307 Moved", b"", f"Location: {elsewhere.url}")
        async with receiving(moved) as receiver:
            answer = await sender().post(receiver.url, b"{}", {})
    assert (307, []) == (answer.status_code, elsewhere.came)


async def test_a_slow_receiver_is_left() -> None:
    """After the time that the operator gives it."""
    async with receiving() as receiver:
        with pytest.raises(NoAnswer, match=r"nothing came within 0\.2 s"):
            await sender(webhook_timeout_s=0.2).post(receiver.url, b"{}", {})


@pytest.mark.parametrize(
    ("settings", "said_why"),
    [
        ({"webhook_networks": ""}, "does not lead to a public address"),
        ({"webhook_http": False}, "http: is not allowed"),
    ],
)
async def test_what_the_operator_does_not_allow_is_refused(
    settings: dict[str, object], said_why: str
) -> None:
    """Nothing is sent there; the refusal names the setting."""
    async with receiving(said("200 OK")) as receiver:
        with pytest.raises(Refused, match=said_why):
            await sender(**settings).post(receiver.url, b"{}", {})
    assert [] == receiver.came


async def test_a_name_that_changes_its_meaning_is_not_asked_twice() -> None:
    """The address that was checked is the one that is used; one private among several refuses all."""
    asked = []
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    async with receiving(said("200 OK")) as receiver:
        rebound = egress_sender(settings_of(), resolve)
        url = f"http://rebinds.example:{receiver.port}/"
        assert 200 == (await rebound.post(url, b"{}", {})).status_code
        assert ["rebinds.example"] == asked
        with pytest.raises(Refused):
            await rebound.post(url, b"{}", {})


async def test_nobody_there_is_no_answer() -> None:
    """Which is worth another try."""
    async with receiving() as receiver:
        url = receiver.url
    with pytest.raises(NoAnswer):
        await sender().post(url, b"{}", {})


async def test_the_receiver_of_the_page_takes_what_is_ours_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is run as it is written: 204 for what is signed with its secret, once, and 401 for all else."""
    [_, example] = blocks(read("docs/how-to/receive-webhooks.md"), "python")
    secret, body = new_secret(), b'{"type":"task.completed","data":{"task_id":"task_1"}}'
    monkeypatch.setenv("WEBHOOK_SECRET", secret.get_secret_value())
    page: dict[str, Any] = {"__name__": "receiver"}
    exec(example, page)  # noqa: S102  # our own page
    page["Receiver"].log_message = lambda *_: None
    server = HTTPServer(("127.0.0.1", 0), page["Receiver"])
    url = f"http://127.0.0.1:{server.server_port}/"
    codes = []
    now = datetime.now(UTC)
    signed = headers("dlv_1", now, body, [secret])
    old = headers("dlv_2", now - timedelta(minutes=10), body, [secret])
    for sent, content in ((signed, body), (signed, body), (signed, body + b" "), (old, body)):
        answering = asyncio.create_task(asyncio.to_thread(server.handle_request))
        codes.append((await sender().post(url, content, sent)).status_code)
        await answering
    server.server_close()
    assert [204, 204, 401, 401] == codes
    assert "task.completed task_1\n" == capsys.readouterr().out


async def asks_to_pay(tasks: MemoryStore, task_id: str, eur: int) -> str:
    """A running task that asks whether it may; the id of its approval."""
    await tasks.submit(NewTask(task_id=task_id, tenant_id="default", task_type="x", input_data={}))
    await tasks.beat("w", ["default"], slots=9, running=0)
    [task] = await tasks.claim("w", ["default"], 1)
    step = "1/tool/1/approval/1"
    name = ask_id(AskKind.APPROVAL, task_id, step, 1)
    asked = {"path": step, "tool": "pay", "arguments": {"eur": eur}, "approval_id": name}
    journal = {"v": 1, "path": step, "hash": "h"}
    event = NewEvent(type=EventType.APPROVAL_REQUESTED, data=asked, journal=journal)
    await tasks.append([Append(Lease("default", task_id, "w", task.epoch), [event], Usage())])
    return name


async def test_the_decider_of_the_page_approves_what_is_small_and_leaves_the_rest_to_people() -> (
    None
):
    """It is run as it is written, over a real socket: 5 euros are approved in its name, 500 wait on."""
    [example, _] = blocks(read("docs/how-to/receive-webhooks.md"), "python")
    page: dict[str, Any] = {"__name__": "decider"}
    exec(example, page)  # noqa: S102  # our own page
    page["Decider"].log_message = lambda *_: None
    server = HTTPServer(("127.0.0.1", 0), page["Decider"])
    tasks = MemoryStore(FrozenClock(datetime.now(UTC)))
    webhooks = MemoryWebhooks(tasks)
    url = f"http://127.0.0.1:{server.server_port}/"
    spec = HookSpec(url=url, events=("approval.requested",), decides=True)
    webhook = await webhooks.create("default", spec, new_secret(), by="x", limit=9)
    service = TaskService(tasks, {"x": TaskType(name="x", input_schema={})}, lambda *_: None)
    approvals = ApprovalService(tasks, service)
    decisions = HookDecisions(approvals, InputService(tasks, service))
    loop = Deliverer(webhooks, sender(), decisions=decisions)
    names = [await asks_to_pay(tasks, "small", 5), await asks_to_pay(tasks, "large", 500)]

    def answer_both() -> None:
        for _ in names:
            server.handle_request()

    await asyncio.gather(asyncio.to_thread(answer_both), loop.begin())
    await loop.settled()
    server.server_close()
    small, large = [await approvals.get(name, tenant_id="default") for name in names]
    assert ("approved", "pending") == (small.status, large.status)
    assert f"webhook {webhook.webhook_id}" == small.resolved_by
