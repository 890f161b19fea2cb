"""Push notification configs of tasks, over the fake and over PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from store_world import World
from webhook_world import LEASE_S, URL

from ops_core.hook import TaskHook
from ops_core.push import Push
from ops_core.store import SqlDeliveries, SqlPushes, SqlTaskStore, SqlWebhooks
from ops_core.testing import MemoryStore, MemoryWebhooks
from ops_core.webhooks.port import DeliveryStore, WebhookStore
from ops_core.webhooks.pushes import PushStore

pytestmark = pytest.mark.conformance

Stores = tuple[World, PushStore, DeliveryStore, WebhookStore]


@pytest.fixture
async def stores(world: World) -> AsyncIterator[Stores]:
    if isinstance(world.tasks, MemoryStore):
        memory = MemoryWebhooks(world.tasks)
        yield world, memory, memory, memory
        return
    assert isinstance(world.tasks, SqlTaskStore)
    database = world.tasks._database
    yield world, SqlPushes(database), SqlDeliveries(database), SqlWebhooks(database)


def hook(config_id: str = "mine", url: str = URL) -> TaskHook:
    push = Push(
        config_id=config_id,
        token=SecretStr("t0ken"),
        scheme="Bearer",
        credentials=SecretStr("s3cret"),
    )
    return TaskHook(url=url, events=("task.*",), push=push)


async def test_a_config_is_kept_with_its_task_and_is_no_subscription(stores: Stores) -> None:
    """Whether it came with the task or later, and what it was before it was put again is gone."""
    world, pushes, _, webhooks = stores
    task = await world.submit(webhook=hook("a"))
    await pushes.put_push("default", task.task_id, hook("b"), by="x", limit=9)
    changed = hook("a", "https://example.org/other")
    await pushes.put_push("default", task.task_id, changed, by="x", limit=9)
    assert [changed, hook("b")] == list(await pushes.pushes("default", task.task_id))
    assert 0 == (await webhooks.page("default", limit=9, cursor=None)).total


async def test_a_claim_has_what_the_receiver_knows_us_by(stores: Stores) -> None:
    """And a webhook that is no config has nothing of it."""
    world, _, deliveries, _ = stores
    for each in (hook(), TaskHook(url=URL, events=("task.*",))):
        task = await world.submit(webhook=each)
        await world.tasks.cancel("default", task.task_id)
        taken = await deliveries.claim(9, busy=(), under_way={}, per_tenant=9, lease_s=LEASE_S)
        [claimed] = taken.claimed
        assert each.push == claimed.push


async def test_a_task_has_at_most_so_many_configs(stores: Stores) -> None:
    """One that is there may still be changed."""
    world, pushes, _, _ = stores
    task = await world.submit(webhook=hook("a"))
    assert not await pushes.put_push("default", task.task_id, hook("b"), by="x", limit=1)
    assert await pushes.put_push("default", task.task_id, hook("a"), by="x", limit=1)


async def test_a_config_goes_with_what_is_due_for_it(stores: Stores) -> None:
    """Of its own tenant and task alone."""
    world, pushes, _, webhooks = stores
    task = await world.submit(webhook=hook())
    await world.tasks.cancel("default", task.task_id)
    assert [] == list(await pushes.pushes("other", task.task_id))
    await pushes.delete_push("other", task.task_id, "mine")
    await pushes.delete_push("default", "task_none", "mine")
    assert 1 == len(await pushes.pushes("default", task.task_id))
    of_task: dict[str, Any] = {"task_id": task.task_id, "limit": 9, "cursor": None}
    assert 1 == len((await webhooks.deliveries("default", **of_task)).deliveries)
    await pushes.delete_push("default", task.task_id, "mine")
    assert [] == (await webhooks.deliveries("default", **of_task)).deliveries
