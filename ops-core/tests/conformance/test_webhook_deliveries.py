"""Deliveries are claimed, tried and kept, over the fake and over PostgreSQL."""

import pytest
from webhook_world import URL, Hooks

from ops_core.webhooks.model import DeliveryStatus, HookSpec

pytestmark = pytest.mark.conformance


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
