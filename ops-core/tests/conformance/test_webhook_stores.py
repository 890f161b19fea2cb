"""Webhooks, and what is made for them with each event, over the fake and over PostgreSQL."""

from typing import Any

import pytest
from webhook_world import URL, Hooks

from ops_core.errors import DeliveryNotFound, TooManyWebhooks, WebhookNotFound
from ops_core.hook import TaskHook
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append
from ops_core.task import Usage
from ops_core.webhooks.model import HookSpec
from ops_core.webhooks.signing import new_secret

pytestmark = pytest.mark.conformance


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
