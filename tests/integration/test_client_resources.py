"""Agents, threads, schedules, webhooks, keys and bounds through both clients, against the real REST door."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_core.moves import complete
from opspawn.client import AsyncOpspawnClient, Conflict, InvalidRequest, NotFound, OpspawnClient
from support.rest_door import WORKER, RestDoor, rest_door

WORK = {"task_type": "agent_run", "input_data": {"goal": "g"}}
URL = "https://example.org/hook"


@pytest.fixture(scope="module")
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


@pytest.fixture
def client(door: RestDoor) -> Iterator[OpspawnClient]:
    with OpspawnClient(door.url, "key") as client:
        yield client


def test_an_agent_has_versions(client: OpspawnClient) -> None:
    """The same definition is the same version; one that is archived is no longer listed."""
    first = client.agents.put("scribe", {"instructions": "a"})
    assert first == client.agents.put("scribe", {"instructions": "a"})
    second = client.agents.put("scribe", {"instructions": "b"})
    assert (1, 2) == (first.version, second.version)
    assert second == client.agents.get("scribe")
    assert first == client.agents.get("scribe", 1)
    assert [second, first] == list(client.agents.versions("scribe"))
    assert ["scribe"] == [agent.name for agent in client.agents.list(limit=1)]
    assert client.agents.archive("scribe").archived_at is not None
    assert [] == list(client.agents.list())


def test_a_thread_is_begun_read_forked_and_closed(client: OpspawnClient, door: RestDoor) -> None:
    """What was said in it comes in order."""
    thread = client.threads.create(name="Travel", on_busy="reject")
    assert thread == client.threads.get(thread.thread_id)
    task = client.run("Where to?", thread_id=thread.thread_id)
    door.settle(door.claim(), complete({"output": "Home."}))
    [message] = client.threads.messages(thread.thread_id)
    assert (1, task.task_id) == (message.seq, message.task_id)
    assert [] == client.threads.messages(thread.thread_id, after=1)
    fork = client.threads.fork(thread.thread_id, 1, name="Elsewhere")
    assert {"thread_id": thread.thread_id, "seq": 1} == fork.forked_from
    assert [fork.thread_id, thread.thread_id] == [t.thread_id for t in client.threads.list(limit=1)]
    assert client.threads.archive(thread.thread_id).archived_at is not None
    assert "mine" == client.threads.create(thread_id="mine").thread_id
    assert "ours" == client.threads.fork(thread.thread_id, 1, new_thread_id="ours").thread_id


def test_a_schedule_is_made_changed_fired_and_forgotten(client: OpspawnClient) -> None:
    """One key fires it once."""
    made = client.schedules.create("news", WORK, cron="30 7 * * *", time_zone="Europe/Berlin")
    with pytest.raises(Conflict):
        client.schedules.create("news", WORK, every_s=60)
    changed = client.schedules.change(made.schedule_id, cron=None, every_s=3600)
    assert (None, 3600) == (changed.cron, changed.every_s)
    assert 2 == len(client.schedules.upcoming(made.schedule_id, count=2))
    assert "holidays" == client.schedules.pause(made.schedule_id, "holidays").paused_reason
    assert client.schedules.pause(made.schedule_id).paused_at is not None
    assert client.schedules.resume(made.schedule_id).paused_at is None
    task = client.schedules.trigger(made.schedule_id, idempotency_key="k")
    assert task == client.schedules.trigger(made.schedule_id, idempotency_key="k")
    [firing] = client.schedules.firings(made.schedule_id)
    assert (task.task_id, True) == (firing.task_id, firing.manual)
    assert [made.schedule_id] == [s.schedule_id for s in client.schedules.list()]
    client.schedules.delete(made.schedule_id)
    with pytest.raises(NotFound):
        client.schedules.get(made.schedule_id)


def test_what_agents_remember_is_added_searched_and_forgotten(client: OpspawnClient) -> None:
    """One memory, or all of a user."""
    tea = client.memories.add("Ada drinks tea", user="ada", metadata={"topic": "drinks"})
    assert tea == client.memories.get(tea.memory_id)
    assert tea.memory_id == client.memories.add("ada drinks TEA", user="ada").memory_id
    cat = client.memories.add("Ada has a cat", user="ada", agent="support")
    assert [cat.memory_id] == [m.memory_id for m in client.memories.list(agent="support")]
    assert 2 == len(list(client.memories.list(user="ada", limit=1)))
    assert 1 == len(list(client.memories.list(metadata="topic:drinks")))
    [best] = client.memories.search("who has a cat", user="ada", limit=1)
    assert (cat.memory_id, True) == (best.memory_id, (best.score or 0) > 0)
    client.memories.delete(cat.memory_id)
    assert 1 == client.memories.forget(user="ada")
    with pytest.raises(NotFound):
        client.memories.get(tea.memory_id)
    with pytest.raises(InvalidRequest):
        client.memories.forget()


def test_a_webhook_is_made_tested_and_forgotten(client: OpspawnClient) -> None:
    """Its secret is told once, and not where a program prints it."""
    made = client.webhooks.create(URL, events=["task.*"], labels={"team": "a"})
    assert made.secret.get_secret_value().startswith("whsec_")
    assert made.secret.get_secret_value() not in repr(made)
    assert {"team": "a"} == client.webhooks.get(made.webhook_id).labels
    assert client.webhooks.rotate_secret(made.webhook_id, 60).secret != made.secret
    assert not client.webhooks.change(made.webhook_id, enabled=False).enabled
    test = client.webhooks.test(made.webhook_id)
    assert [test] == list(client.webhooks.deliveries(made.webhook_id))
    assert test.delivery_id == client.webhooks.redeliver(test.delivery_id).delivery_id
    assert "pending" == client.webhooks.delivery(test.delivery_id).status
    task = client.run("g")
    assert [] == list(client.webhooks.task_deliveries(task.task_id))
    assert [made.webhook_id] == [webhook.webhook_id for webhook in client.webhooks.list()]
    client.webhooks.delete(made.webhook_id)
    assert [] == list(client.webhooks.list())
    with pytest.raises(InvalidRequest):
        client.webhooks.create("ftp://example.org")


def test_a_key_is_made_rotated_and_revoked(client: OpspawnClient) -> None:
    """Its secret is told once, and not where a program prints it."""
    until = datetime.now(UTC) + timedelta(days=1)
    told = client.api_keys.create("ci", ["tasks:read"], expires_at=until)
    assert told.secret.get_secret_value().startswith("osk_")
    assert told.secret.get_secret_value() not in repr(told)
    assert (["tasks:read"], until) == (told.api_key.scopes, told.api_key.expires_at)
    assert told.secret != client.api_keys.rotate(told.api_key.key_id, 60).secret
    assert [told.api_key.key_id] == [key.key_id for key in client.api_keys.list()]
    assert client.api_keys.revoke(told.api_key.key_id).revoked_at is not None
    assert client.api_keys.get(told.api_key.key_id).revoked_at is not None


def test_a_limit_is_set_and_taken_away(client: OpspawnClient) -> None:
    """Of a key whose name needs quoting, too."""
    made = client.limits.put("customer 17?", 2, rate=(100, 60))
    assert ("customer 17?", 2, 100, 60.0) == (
        made.key,
        made.concurrency,
        made.rate and made.rate.count,
        made.rate and made.rate.per_s,
    )
    assert client.limits.put("b", 3).rate is None
    assert made == client.limits.get("customer 17?")
    assert ["b", "customer 17?"] == [limit.key for limit in client.limits.list(limit=1)]
    client.limits.delete("customer 17?")
    client.limits.delete("b")
    with pytest.raises(NotFound):
        client.limits.get("b")


def test_a_budget_is_set_for_a_day_and_raised_for_a_task(client: OpspawnClient) -> None:
    """Money stays exact; what is not named is not bounded."""
    day = client.budgets.put("day", cost_usd=Decimal("0.1"))
    assert (Decimal("0.1"), None) == (day.allowed.cost_usd, day.allowed.tokens)
    assert [day] == client.budgets.list()
    task = client.run("g", budget={"steps": 1})
    assert 1 == client.budgets.get(task.task_id).left.steps
    raised = client.budgets.put(task.task_id, tokens=9, steps=5, seconds=1.5)
    assert (9, 5, 1.5) == (raised.left.tokens, raised.left.steps, raised.left.seconds)
    client.budgets.delete("day")
    assert [] == client.budgets.list()


def test_a_tenant_is_made_limited_and_shut(client: OpspawnClient) -> None:
    """The key of its administrator is told once, and not where a program prints it."""
    made = client.tenants.create("acme", "Acme Ltd")
    assert made.secret.get_secret_value().startswith("osk_")
    assert made.secret.get_secret_value() not in repr(made)
    assert "acme" in [tenant.tenant_id for tenant in client.tenants.list(limit=1)]
    assert 7 == client.tenants.put_limits("acme", max_unfinished_tasks=7).max_unfinished_tasks
    assert 7 == client.tenants.limits("acme").max_unfinished_tasks
    client.tenants.delete_limits("acme")
    assert client.tenants.limits("acme").max_unfinished_tasks is None
    assert client.tenants.disable("acme").disabled_at is not None
    assert client.tenants.enable("acme").disabled_at is None


def test_workers_are_listed_and_drained(client: OpspawnClient, door: RestDoor) -> None:
    """With what they own. Whoever asks for one that is not there is told so."""
    client.run("g")
    door.claim()
    [worker] = client.workers.list(limit=1)
    assert (WORKER, "alive", 1) == (worker.worker_id, worker.state, worker.owned_tasks)
    assert worker == client.workers.get(WORKER)
    drained = client.workers.drain(WORKER)
    assert ("draining", True) == (drained.state, drained.drain_at is not None)
    with pytest.raises(NotFound):
        client.workers.drain("nobody")


async def test_the_client_for_asyncio_does_the_same(door: RestDoor) -> None:
    """A call of each, and a list of each."""
    async with AsyncOpspawnClient(door.url, "key") as client:
        agent = await client.agents.put("other", {"instructions": "a"})
        thread = await client.threads.create()
        schedule = await client.schedules.create("more news", WORK, every_s=60)
        webhook = await client.webhooks.create(URL)
        told = await client.api_keys.create("cd", ["tasks:read"])
        limit = await client.limits.put("k", 2)
        budget = await client.budgets.put("month", tokens=5)
        founded = await client.tenants.create("other", "Other")
        memory = await client.memories.add("rain", user="bob")
        assert [memory] == [each async for each in client.memories.list(user="bob")]
        assert memory == await client.memories.get(memory.memory_id)
        [found] = await client.memories.search("rain", user="bob")
        assert memory.memory_id == found.memory_id
        assert 1 == await client.memories.forget(user="bob")
        assert limit in [each async for each in client.limits.list()]
        assert [WORKER] == [each.worker_id async for each in client.workers.list()]
        assert WORKER == (await client.workers.get(WORKER)).worker_id
        assert "draining" == (await client.workers.drain(WORKER)).state
        assert budget in await client.budgets.list()
        assert founded.tenant in [each async for each in client.tenants.list()]
        assert agent in [each async for each in client.agents.list()]
        assert thread in [each async for each in client.threads.list()]
        assert schedule in [each async for each in client.schedules.list()]
        listed = [each.webhook_id async for each in client.webhooks.list()]
        assert webhook.webhook_id in listed
        assert told.api_key in [each async for each in client.api_keys.list()]
        await client.webhooks.delete(webhook.webhook_id)
