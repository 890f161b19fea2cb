"""What receivers that may decide answer, over the fake and over PostgreSQL."""

from dataclasses import replace

import pytest
from webhook_world import URL, Hooks, attempt_of

from ops_core.ask import AskKind, ask_id
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.deciding import HookDecisions
from ops_core.asks.inputs import InputService
from ops_core.hook import TaskHook
from ops_core.log import EventType, NewEvent
from ops_core.ports import Append, TaskType
from ops_core.service import TaskService
from ops_core.task import Usage
from ops_core.webhooks.model import DeliveryStatus
from ops_core.webhooks.port import Answer, Outcome

pytestmark = pytest.mark.conformance


async def test_what_may_decide_is_known_to_whoever_sends(hooks: Hooks) -> None:
    """Of a subscription, until it is changed, and of the webhook of a task; by default nothing may."""
    webhook = await hooks.subscribe("task.submitted", decides=True)
    await hooks.subscribe("task.submitted", labels={"of": "nobody"})
    assert webhook.spec.decides
    await hooks.world.submit()
    assert (await hooks.claim_one()).decides
    await hooks.webhooks.change("default", webhook.webhook_id, replace(webhook.spec, decides=False))
    hooks.world.advance(46)
    assert not (await hooks.claim_one()).decides
    hook = TaskHook(url=URL, events=("task.cancelled",), decides=True)
    own = await hooks.world.submit(webhook=hook, scheduled_at=None)
    await hooks.world.tasks.cancel("default", own.task_id)
    assert [True] == [c.decides for c in await hooks.claim() if c.delivery.type == "task.cancelled"]


async def test_what_an_answer_decided_is_kept_with_the_attempt(hooks: Hooks) -> None:
    """The delivery says what it came to."""
    await hooks.subscribe("task.submitted", decides=True)
    await hooks.world.submit()
    claimed = await hooks.claim_one()
    attempt = replace(attempt_of(claimed), decision="approved")
    outcome = Outcome(status=DeliveryStatus.DELIVERED)
    assert await hooks.deliveries.record(claimed, attempt, outcome)
    [delivery] = await hooks.made(task_id=str(claimed.delivery.task_id))
    assert ["approved"] == [each.decision for each in delivery.attempts]


async def test_an_answer_decides_once_however_often_it_comes(hooks: Hooks) -> None:
    """Over every store: the first is written with its name, the same again is the same, another is late."""
    world = hooks.world
    types = {"noop": TaskType(name="noop", input_schema={})}
    rung: list[object] = []
    tasks = TaskService(world.tasks, types, lambda *ring: rung.append(ring))
    approvals = ApprovalService(world.asks, tasks)
    decisions = HookDecisions(approvals, InputService(world.asks, tasks))
    webhook = await hooks.subscribe("approval.requested", decides=True)
    await world.submit()
    task, lease = await world.claim_one()
    step = "1/tool/1/approval/1"
    name = ask_id(AskKind.APPROVAL, task.task_id, step, 1)
    asked = {"path": step, "tool": "pay", "arguments": {}, "approval_id": name}
    entry = {"v": 1, "path": step, "hash": "h"}
    event = NewEvent(type=EventType.APPROVAL_REQUESTED, data=asked, journal=entry)
    await world.workers.append([Append(lease, [event], Usage())])
    claimed = await hooks.claim_one()
    approve = Answer(status_code=200, body=b'{"decision": "approve"}')
    reject = Answer(status_code=200, body=b'{"decision": "reject"}')
    came = [await decisions.take(claimed, answer) for answer in (approve, approve, reject)]
    found = await approvals.get(name, tenant_id="default")
    assert ["approved", "approved", "late"] == came
    assert f"webhook {webhook.webhook_id}" == found.resolved_by
