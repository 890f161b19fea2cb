"""Receivers that decide in their answers: what counts, once, and what happens when something dies between."""

import json
from dataclasses import replace
from typing import Any

import pytest
from asking_task import ARGUMENTS, asking
from door_support import service_over
from webhook_support import URL, Office

from ops_core.ask import Ask, AskKind, AskStatus
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.deciding import HookDecisions
from ops_core.asks.inputs import InputService
from ops_core.errors import StoreUnavailable
from ops_core.identity.gate import Attempt, OpenGate
from ops_core.principal import Principal
from ops_core.replies import ApprovalReply
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.model import Delivery, DeliveryStatus, HookSpec, Webhook
from ops_core.webhooks.payload import MAX_BODY
from ops_core.webhooks.port import Answer, Undecided

pytestmark = pytest.mark.unit

APPROVE = {"decision": "approve", "comment": "Fine."}


class Desk(OpenGate):
    """A gate that remembers what the audit log was told, knows who is disabled, and may be away once."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str, str]] = []
        self.is_disabled = self.is_away = False

    async def is_open(self, tenant_id: str) -> bool:
        return not self.is_disabled

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        if self.is_away:
            self.is_away = False
            raise StoreUnavailable("away")
        self.told.append((attempt.operation, principal.subject, object, attempt.request_id))


class Deciding(Office):
    """An office whose webhook may decide, and a task that waits for an approval and an answer."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__(*answers)
        tasks = service_over(self.tasks)
        self.approvals = ApprovalService(self.tasks, tasks)
        self.gate = Desk()
        inputs = InputService(self.tasks, tasks)
        self.decisions = HookDecisions(self.approvals, inputs, gate=self.gate)
        self.loop = Deliverer(self.webhooks, self.receiver, decisions=self.decisions)
        self.approval_id = self.input_id = ""

    async def ask(self, *events: str, decides: bool = True, **asked: Any) -> Webhook:
        spec = HookSpec(url=URL, events=events or ("approval.requested",), decides=decides)
        webhook = await self.webhooks.create("default", spec, self.secret, by="x", limit=9)
        self.approval_id, self.input_id = await asking(self.tasks, "task_1", **asked)
        return webhook

    async def approval(self) -> Ask:
        return await self.tasks.get_ask("default", AskKind.APPROVAL, self.approval_id)

    async def said(self) -> tuple[Delivery, str | None, str | None]:
        """The delivery, and what came of its last attempt."""
        delivery = await self.delivery()
        return delivery, delivery.attempts[-1].decision, delivery.attempts[-1].error

    async def resolutions(self) -> int:
        log = await self.tasks.log("default", "task_1")
        return sum(event.type == "approval.resolved" for event in log)


def says(value: object, code: int = 200, **more: Any) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(status_code=code, body=body, **more)


async def test_an_approval_is_decided_by_the_answer() -> None:
    """As by anybody else: with a comment, other arguments, a name in the log and in the audit log."""
    office = Deciding(says(APPROVE | {"arguments": {"to": "ann", "eur": 4}}))
    webhook = await office.ask()
    await office.send()
    found, (delivery, decision, _) = await office.approval(), await office.said()
    who = f"webhook {webhook.webhook_id}"
    assert (AskStatus.APPROVED, who) == (found.status, found.resolved_by)
    assert APPROVE | {"arguments": {"to": "ann", "eur": 4}} == found.resolution
    assert (DeliveryStatus.DELIVERED, "approved") == (delivery.status, decision)
    assert delivery.attempts[-1].response is None
    told = ("decide_by_webhook", who, office.approval_id, delivery.delivery_id)
    assert [told] == office.gate.told


async def test_a_question_is_answered_by_the_answer() -> None:
    """With any JSON."""
    office = Deciding(says({"answer": {"colour": "blue"}}))
    await office.ask("input.requested")
    await office.send()
    found = await office.tasks.get_ask("default", AskKind.INPUT, office.input_id)
    assert (AskStatus.ANSWERED, {"answer": {"colour": "blue"}}) == (found.status, found.resolution)
    assert "answered" == (await office.said())[1]


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_nothing_is_not_now(body: bytes) -> None:
    """It was delivered, and a person may still decide; nobody is told that anything was."""
    office = Deciding(says(body, 204))
    await office.ask()
    await office.send()
    delivery, decision, _ = await office.said()
    assert (DeliveryStatus.DELIVERED, None) == (delivery.status, decision)
    assert (AskStatus.PENDING, []) == ((await office.approval()).status, office.gate.told)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(b"OK"), "Invalid JSON"),
        (says({}), "decision: is required"),
        (says({"decision": "maybe"}), "decision: "),
        (says({"decision": "reject", "arguments": {}}), "arguments: is only for a call"),
        (says(APPROVE | {"by": "root"}), "by: is not a known field"),
        (says(APPROVE | {"comment": "\0"}), "comment: contains a NUL"),
        (says(APPROVE | {"hash": "0" * 64}), "hash: is not that of"),
        (says({"answer": "Blue."}), "decision: is required"),
        (says(b"{" * 99, cut=True), "longer than the 99 bytes"),
        (says(APPROVE, 500), "the receiver answered 500"),
    ],
)
async def test_an_answer_that_decides_nothing_is_asked_for_again(answer: Answer, why: str) -> None:
    """The log says what is wrong with it; the next one may be better."""
    office = Deciding(answer, says(APPROVE))
    await office.ask()
    await office.send()
    delivery, decision, error = await office.said()
    assert (DeliveryStatus.PENDING, None) == (delivery.status, decision)
    assert why in str(error)
    assert AskStatus.PENDING is (await office.approval()).status
    await office.send(after_s=6)
    assert AskStatus.APPROVED is (await office.approval()).status


async def test_an_answer_that_was_not_written_down_is_asked_for_again_and_counts_once() -> None:
    """The dispatcher dies between decision and record: the same delivery, the same answer, one decision."""
    office = Deciding(says(APPROVE), says(APPROVE))
    await office.ask()
    record = office.webhooks.record

    async def lost(*_: object) -> bool:
        raise StoreUnavailable("away")

    office.webhooks.record = lost  # type: ignore[method-assign,assignment]
    await office.send()
    office.webhooks.record = record  # type: ignore[method-assign]
    assert DeliveryStatus.PENDING is (await office.delivery()).status
    await office.send(after_s=60)
    delivery, decision, _ = await office.said()
    assert (DeliveryStatus.DELIVERED, "approved") == (delivery.status, decision)
    assert (1, 2) == (await office.resolutions(), len(office.receiver.came))


async def test_an_answer_that_could_not_be_taken_does_not_count_as_delivered() -> None:
    """The store is away between answer and decision: it is sent again, and then decides."""
    office = Deciding(says(APPROVE), says(APPROVE))
    office.gate.is_away = True
    await office.ask()
    await office.send()
    assert (DeliveryStatus.PENDING, ()) == (
        (await office.delivery()).status,
        (await office.delivery()).attempts,
    )
    await office.send(after_s=60)
    assert AskStatus.APPROVED is (await office.approval()).status


async def test_who_changes_his_mind_is_late() -> None:
    """Sent again, the receiver says something else: what was decided stays."""
    office = Deciding(says(APPROVE), says({"decision": "reject"}))
    await office.ask()
    await office.send()
    await office.webhooks.redeliver("default", (await office.delivery()).delivery_id)
    await office.send()
    delivery, decision, error = await office.said()
    assert (DeliveryStatus.DELIVERED, "late", None) == (delivery.status, decision, error)
    assert AskStatus.APPROVED is (await office.approval()).status


@pytest.mark.parametrize("answer", [says(APPROVE), says(b"OK")], ids=["clear", "not clear"])
async def test_who_comes_after_a_person_is_late(answer: Answer) -> None:
    """Which is no failure of the receiver, whatever it says: a better answer would be late as well."""
    office = Deciding(answer)
    await office.ask()
    no = ApprovalReply(decision="reject")
    await office.approvals.resolve(office.approval_id, no, tenant_id="default", by="ann")
    await office.send()
    delivery, decision, _ = await office.said()
    assert (DeliveryStatus.DELIVERED, "late") == (delivery.status, decision)
    assert ("ann", []) == ((await office.approval()).resolved_by, office.gate.told)


async def test_who_comes_after_the_time_is_late() -> None:
    """An approval that has expired cannot be decided."""
    office = Deciding(says(APPROVE))
    await office.ask(expires_in_s=60)
    office.clock.advance(61)
    await office.tasks.expire_asks(9)
    await office.send()
    assert "late" == (await office.said())[1]
    assert AskStatus.EXPIRED is (await office.approval()).status


async def test_a_webhook_that_may_not_decide_decides_nothing() -> None:
    """Whatever it answers."""
    office = Deciding(says(APPROVE))
    await office.ask(decides=False)
    await office.send()
    delivery, decision, _ = await office.said()
    assert (DeliveryStatus.DELIVERED, None) == (delivery.status, decision)
    assert AskStatus.PENDING is (await office.approval()).status
    assert '"approve"' in str(delivery.attempts[-1].response)


async def test_an_answer_to_another_event_decides_nothing() -> None:
    """Only to that which asks."""
    office = Deciding(*[says(APPROVE)] * 5)
    await office.ask("task.*", "approval.resolved")
    await office.send()
    assert AskStatus.PENDING is (await office.approval()).status


async def test_nothing_is_decided_in_a_tenant_that_is_disabled() -> None:
    """Its doors are shut, this one too; enabled again, what is sent again decides."""
    office = Deciding(says(APPROVE), says(APPROVE))
    office.gate.is_disabled = True
    await office.ask()
    await office.send()
    assert "the tenant is disabled: nothing is decided in it" == (await office.said())[2]
    office.gate.is_disabled = False
    await office.send(after_s=6)
    assert AskStatus.APPROVED is (await office.approval()).status


async def test_what_was_too_large_to_send_is_decided_by_its_hash() -> None:
    """Nobody approves what he was not shown, unless he says that he knows it."""
    large = ARGUMENTS | {"text": "x" * MAX_BODY}
    office = Deciding(says(APPROVE))
    await office.ask(arguments=large)
    await office.send()
    assert "too large to send" in str((await office.said())[2])
    office.receiver.answers = [says(APPROVE | {"hash": (await office.approval()).hash})]
    await office.send(after_s=6)
    assert AskStatus.APPROVED is (await office.approval()).status


async def test_an_answer_decides_on_what_was_sent_and_on_nothing_else() -> None:
    """The hash of the event goes with it, though the receiver says none."""
    office = Deciding()
    await office.ask()
    [claimed] = (
        await office.webhooks.claim(1, busy=(), under_way={}, per_tenant=9, lease_s=45.0)
    ).claimed
    assert claimed.event is not None
    other = replace(claimed.event, data=claimed.event.data | {"hash": "0" * 64})
    with pytest.raises(Undecided, match="hash: is not that of"):
        await office.decisions.take(replace(claimed, event=other), says(APPROVE))
    assert AskStatus.PENDING is (await office.approval()).status
