"""What is made for webhooks with each event, over the fake and over PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from store_world import World
from webhook_world import URL, Hooks, attempt_of

from ops_core.ask import AskKind, ask_id
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.deciding import HookDecisions
from ops_core.asks.inputs import InputService
from ops_core.errors import DeliveryNotFound, TooManyWebhooks, WebhookNotFound
from ops_core.hook import TaskHook
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, TaskType
from ops_core.service import TaskService
from ops_core.store import SqlDeliveries, SqlTaskStore, SqlWebhooks
from ops_core.task import Usage
from ops_core.testing import MemoryStore, MemoryWebhooks
from ops_core.webhooks.model import DeliveryStatus, HookSpec
from ops_core.webhooks.port import Answer, Outcome
from ops_core.webhooks.signing import new_secret

pytestmark = pytest.mark.conformance


@pytest.fixture
async def hooks(world: World) -> AsyncIterator[Hooks]:
    if isinstance(world.tasks, MemoryStore):
        memory = MemoryWebhooks(world.tasks)
        yield Hooks(world, memory, memory)
        return
    assert isinstance(world.tasks, SqlTaskStore)
    database = world.tasks._database
    yield Hooks(world, SqlWebhooks(database), SqlDeliveries(database))


async def test_every_writer_of_events_makes_deliveries(hooks: Hooks) -> None:
    """Submit, claim, step, command and end: each is an event in another statement."""
    webhook = await hooks.subscribe("*")
    await hooks.world.submit()
    task, lease = await hooks.world.claim_one()
    step = NewEvent(type=EventType.LLM_COMPLETED, data={"step": "1"})
    await hooks.world.workers.append([Append(lease, [step], Usage())])
    await hooks.world.tasks.cancel("default", task.task_id)
    await hooks.world.workers.settle(lease, complete({}))
    types = ["task.submitted", "task.claimed", "llm.completed", "task.cancel_requested"]
    assert [*types, "task.completed"] == await hooks.types(webhook_id=webhook.webhook_id)
    assert [1, 2, 3, 4, 5] == [d.seq for d in await hooks.made(task_id=task.task_id)]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ({}, 1),
        ({"task_type": "noop", "agent": "default", "labels": {"team": "a"}}, 1),
        ({"task_type": "other"}, 0),
        ({"agent": "other"}, 0),
        ({"labels": {"team": "b"}}, 0),
        ({"enabled": False}, 0),
    ],
)
async def test_only_what_is_asked_for_is_made(
    hooks: Hooks, spec: dict[str, Any], made: int
) -> None:
    """Filters are about the task."""
    webhook = await hooks.subscribe("task.*", **spec)
    await hooks.world.submit(labels={"team": "a", "more": "x"})
    assert made == len(await hooks.made(webhook_id=webhook.webhook_id))


async def test_patterns_choose_by_kind_and_by_type(hooks: Hooks) -> None:
    """`llm.*` is every event of that kind, a type is itself."""
    webhook = await hooks.subscribe("llm.*", "task.completed")
    await hooks.world.submit()
    _, lease = await hooks.world.claim_one()
    events = [NewEvent(type=EventType.LLM_COMPLETED), NewEvent(type=EventType.TOOL_COMPLETED)]
    await hooks.world.workers.append([Append(lease, events, Usage())])
    await hooks.world.workers.settle(lease, complete({}))
    assert ["llm.completed", "task.completed"] == await hooks.types(webhook_id=webhook.webhook_id)


async def test_the_webhook_of_a_task_hears_of_that_task_alone(hooks: Hooks) -> None:
    """Its secret signs, and it is no subscription."""
    secret = new_secret()
    hook = TaskHook(url=URL, events=("task.*",), secret=secret)
    hooked = await hooks.world.submit(webhook=hook)
    other = await hooks.world.submit()
    for task in (hooked, other):
        await hooks.world.tasks.cancel("default", task.task_id)
    claimed = await hooks.claim_one()
    assert (hooked.task_id, "task.cancelled") == (claimed.delivery.task_id, claimed.delivery.type)
    assert (URL, (secret,)) == (claimed.url, claimed.secrets)
    assert 0 == (await hooks.webhooks.page("default", limit=10, cursor=None)).total


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


async def test_another_tenants_events_and_webhooks_are_not_there(hooks: Hooks) -> None:
    """Neither through a subscription, nor by an id."""
    webhook = await hooks.subscribe("*")
    await hooks.subscribe("*", tenant_id="other")
    await hooks.world.submit()
    [mine] = await hooks.made(webhook_id=webhook.webhook_id)
    assert 1 == len(
        (
            await hooks.webhooks.deliveries("default", limit=9, cursor=None, task_id=mine.task_id)
        ).deliveries
    )
    with pytest.raises(WebhookNotFound):
        await hooks.webhooks.get("other", webhook.webhook_id)
    with pytest.raises(DeliveryNotFound):
        await hooks.webhooks.redeliver("other", mine.delivery_id)


async def test_a_claim_has_the_event_and_the_task_as_it_is_now(hooks: Hooks) -> None:
    """The event stands in the log; the task may have gone on."""
    await hooks.subscribe("task.submitted")
    task = await hooks.world.submit()
    await hooks.world.tasks.cancel("default", task.task_id)
    claimed = await hooks.claim_one()
    assert claimed.event is not None
    assert claimed.task is not None
    assert ("task.submitted", 1) == (claimed.event.type, claimed.event.seq)
    assert "cancelled" == claimed.task.status


async def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(hooks: Hooks) -> None:
    """A killed dispatcher's delivery comes back under the same id, and its late record changes nothing."""
    await hooks.subscribe("task.submitted")
    await hooks.world.submit()
    lost = await hooks.claim_one()
    assert [] == await hooks.claim()
    hooks.world.advance(46)
    again = await hooks.claim_one()
    assert (lost.delivery.delivery_id, 2) == (again.delivery.delivery_id, again.delivery.tries)
    assert not await hooks.record(lost, "failed")
    assert await hooks.record(again, "delivered")
    [delivery] = await hooks.made(task_id=str(again.delivery.task_id))
    assert (DeliveryStatus.DELIVERED, 1) == (delivery.status, len(delivery.attempts))


async def test_a_retry_is_due_after_its_rest(hooks: Hooks) -> None:
    """Not before."""
    await hooks.subscribe("task.submitted")
    await hooks.world.submit()
    assert await hooks.record(await hooks.claim_one(), "pending", retry_in_s=60.0)
    hooks.world.advance(59)
    assert [] == await hooks.claim()
    hooks.world.advance(2)
    assert 2 == (await hooks.claim_one()).delivery.tries


async def test_one_webhook_does_not_take_all_the_places(hooks: Hooks) -> None:
    """A few at a time; one that is busy is passed over."""
    slow = await hooks.subscribe("task.submitted", labels={"to": "slow"})
    quick = await hooks.subscribe("task.submitted", labels={"to": "quick"})
    for _ in range(6):
        await hooks.world.submit(labels={"to": "slow"})
    await hooks.world.submit(labels={"to": "quick"})
    first = await hooks.claim()
    found = [claimed.delivery.webhook_id for claimed in first]
    assert (4, 1) == (found.count(slow.webhook_id), found.count(quick.webhook_id))
    assert [] == await hooks.claim(busy=(slow.webhook_id,))
    assert 2 == len(await hooks.claim())


async def test_one_tenant_does_not_take_all_the_places(hooks: Hooks) -> None:
    """However many webhooks it has, and however much is due for them: others have their turns before."""
    for _ in range(3):
        webhook = await hooks.subscribe("*")
        for _ in range(4):
            await hooks.webhooks.ping("default", webhook.webhook_id)
    other = await hooks.subscribe("*", tenant_id="other")
    for _ in range(3):
        await hooks.webhooks.ping("other", other.webhook_id)
    first = [claimed.delivery.tenant_id for claimed in await hooks.claim(4)]
    assert (2, 2) == (first.count("default"), first.count("other"))
    busy = {"default": 6, "other": 2}
    second = [one.delivery.tenant_id for one in await hooks.claim(9, under_way=busy, per_tenant=8)]
    assert (2, 1) == (second.count("default"), second.count("other"))
    assert [] == await hooks.claim(9, under_way={"default": 8}, per_tenant=8)


async def test_failures_are_counted_from_the_first_and_forgotten_with_a_success(
    hooks: Hooks,
) -> None:
    """`failing_since` is what decides when to give a receiver up."""
    webhook = await hooks.subscribe("task.submitted")
    await hooks.world.submit()
    assert await hooks.record(await hooks.claim_one(), "pending", retry_in_s=10.0)
    since = (await hooks.webhooks.get("default", webhook.webhook_id)).failing_since
    hooks.world.advance(11)
    claimed = await hooks.claim_one()
    assert since is not None
    assert since == claimed.failing_since
    assert await hooks.record(claimed, "delivered")
    assert (await hooks.webhooks.get("default", webhook.webhook_id)).failing_since is None


async def test_a_webhook_that_is_disabled_fails_what_is_due(hooks: Hooks) -> None:
    """And hears of nothing new; enabled again it does."""
    webhook = await hooks.subscribe("task.submitted")
    for _ in range(2):
        await hooks.world.submit()
    first, _ = await hooks.claim()
    assert await hooks.record(first, "failed", disables="gone")
    disabled = await hooks.webhooks.get("default", webhook.webhook_id)
    assert (False, "gone") == (disabled.spec.enabled, disabled.disabled_reason)
    hooks.world.advance(46)
    assert [] == await hooks.claim()
    await hooks.world.submit()
    statuses = [d.status for d in await hooks.made(webhook_id=webhook.webhook_id)]
    assert [DeliveryStatus.FAILED] * 2 == statuses
    spec = HookSpec(url=URL, events=("task.submitted",))
    enabled = await hooks.webhooks.change("default", webhook.webhook_id, spec)
    assert (True, None, None) == (
        enabled.spec.enabled,
        enabled.disabled_reason,
        enabled.failing_since,
    )


async def test_the_backlog_of_a_disabled_webhook_is_in_nobodys_way(hooks: Hooks) -> None:
    """It fails in bulk, whatever number of places there is, and it is told that something was done."""
    dead = await hooks.subscribe("task.submitted", labels={"to": "dead"})
    await hooks.subscribe("task.submitted", labels={"to": "other"})
    for _ in range(9):
        await hooks.world.submit(labels={"to": "dead"})
    await hooks.world.submit(labels={"to": "other"})
    spec = HookSpec(url=URL, events=("*",), enabled=False)
    await hooks.webhooks.change("default", dead.webhook_id, spec)
    taken = await hooks.deliveries.claim(1, busy=(), under_way={}, per_tenant=100, lease_s=45.0)
    assert (1, 9) == (len(taken.claimed), taken.failed)
    failed = await hooks.made(webhook_id=dead.webhook_id)
    assert [DeliveryStatus.FAILED] * 9 == [delivery.status for delivery in failed]


async def test_a_redelivery_has_the_same_id_and_all_its_tries(hooks: Hooks) -> None:
    """Whatever became of it; a request that was under way is not recorded any more."""
    await hooks.subscribe("task.submitted")
    await hooks.world.submit()
    under_way = await hooks.claim_one()
    asked = await hooks.webhooks.redeliver("default", under_way.delivery.delivery_id)
    assert (DeliveryStatus.PENDING, 0) == (asked.status, asked.tries)
    assert not await hooks.record(under_way, "delivered")
    again = await hooks.claim_one()
    assert under_way.delivery.delivery_id == again.delivery.delivery_id
    assert await hooks.record(again, "delivered")


async def test_a_test_is_a_delivery_about_no_task(hooks: Hooks) -> None:
    """It goes the way of all others."""
    webhook = await hooks.subscribe()
    made = await hooks.webhooks.ping("default", webhook.webhook_id)
    claimed = await hooks.claim_one()
    assert (made.delivery_id, None) == (claimed.delivery.delivery_id, claimed.event)
    assert await hooks.record(claimed, "delivered")


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(hooks: Hooks) -> None:
    """The newest first."""
    old, new = new_secret(), new_secret()
    webhook = await hooks.subscribe("task.submitted", secret=old)
    await hooks.webhooks.rotate("default", webhook.webhook_id, new, overlap_s=60)
    await hooks.world.submit()
    assert (new, old) == (await hooks.claim_one()).secrets
    hooks.world.advance(61)
    assert (new,) == (await hooks.claim_one()).secrets


async def test_what_is_deleted_is_gone_with_its_deliveries(hooks: Hooks) -> None:
    """A claim that was under way finds nothing to record."""
    webhook = await hooks.subscribe("task.submitted")
    await hooks.world.submit()
    claimed = await hooks.claim_one()
    await hooks.webhooks.delete("default", webhook.webhook_id)
    assert not await hooks.record(claimed, "delivered")
    assert [] == await hooks.made(task_id=str(claimed.delivery.task_id))


async def test_there_are_only_so_many_webhooks_and_pages_of_them(hooks: Hooks) -> None:
    """Newest first."""
    made = []
    for _ in range(3):
        made.append((await hooks.subscribe()).webhook_id)
        hooks.world.advance(1)
    spec = HookSpec(url=URL, events=("*",))
    with pytest.raises(TooManyWebhooks):
        await hooks.webhooks.create("default", spec, new_secret(), by="x", limit=3)
    page = await hooks.webhooks.page("default", limit=2, cursor=None)
    rest = await hooks.webhooks.page("default", limit=2, cursor=page.next_cursor)
    assert (made[-1], 3) == (page.webhooks[0].webhook_id, page.total)
    assert (1, None) == (len(rest.webhooks), rest.next_cursor)


async def test_old_deliveries_are_deleted_and_pending_ones_kept(hooks: Hooks) -> None:
    """However old those are."""
    webhook = await hooks.subscribe("task.submitted")
    for _ in range(2):
        await hooks.world.submit()
    first, _ = await hooks.claim()
    assert await hooks.record(first, "delivered")
    hooks.world.advance(100)
    assert 1 == await hooks.deliveries.prune(50, 10)
    assert 1 == len(await hooks.made(webhook_id=webhook.webhook_id))
