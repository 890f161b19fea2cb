"""Concurrency keys: so many run at once, so many start in a while, and nobody else waits for them."""

import asyncio

import pytest
from flow_world import FlowWorld

from ops_core.flow.key_limit import KeyLimit, Rate
from ops_core.moves import release, retry
from ops_core.ports import Profile
from ops_core.task import Status, Task, TaskError

pytestmark = pytest.mark.conformance


async def test_one_task_of_a_key_runs_at_a_time(flow: FlowWorld) -> None:
    """The next one goes on when it has ended, without anybody else's doing."""
    first = await flow.submit(concurrency_key="k")
    second = await flow.submit(concurrency_key="k")
    [claimed] = await flow.claim(count=5)
    assert [first.task_id, False, True] == [claimed.task_id, first.gated, second.gated]
    await flow.finish(claimed)
    assert [second.task_id] == [task.task_id for task in await flow.claim(count=5)]


async def test_a_key_runs_as_many_as_its_limit_says(flow: FlowWorld) -> None:
    await flow.limit("k", concurrency=3)
    for _ in range(5):
        await flow.submit(concurrency_key="k")
    assert 3 == len(await flow.claim(count=10))


async def test_a_higher_limit_lets_more_in_with_the_next_pass(flow: FlowWorld) -> None:
    """And a lower one stops nobody who runs."""
    for _ in range(4):
        await flow.submit(concurrency_key="k")
    await flow.limit("k", concurrency=3)
    assert 2 == await flow.upkeep.open_gates(10)
    running = await flow.claim(count=10)
    await flow.limit("k", concurrency=1)
    await flow.finish(running[0])
    assert [3, 0] == [len(running), await flow.upkeep.open_gates(10)]


async def test_keys_and_tenants_do_not_wait_for_each_other(flow: FlowWorld) -> None:
    """A key of one tenant is not that of another."""
    await flow.submit(concurrency_key="k")
    await flow.submit(concurrency_key="l")
    await flow.submit(concurrency_key="k", tenant_id="other")
    await flow.submit()
    assert 4 == len(await flow.claim(count=10))


async def test_what_stands_at_a_gate_is_in_nobodys_way(flow: FlowWorld) -> None:
    """A task of lower priority without a key is claimed past it."""
    for _ in range(3):
        await flow.submit(concurrency_key="k", priority=10)
    low = await flow.submit(priority=-10)
    assert low.task_id in {task.task_id for task in await flow.claim(count=2)}


async def test_the_best_at_a_gate_goes_first(flow: FlowWorld) -> None:
    running = await flow.submit(concurrency_key="k")
    await flow.submit(concurrency_key="k")
    high = await flow.submit(concurrency_key="k", priority=5)
    [claimed] = await flow.claim(count=5)
    await flow.finish(claimed)
    assert running.task_id == claimed.task_id
    assert [high.task_id] == [task.task_id for task in await flow.claim(count=5)]


async def test_nobody_rings_for_what_stands_at_a_gate(flow: FlowWorld) -> None:
    """Upkeep rings for who was let through, at once."""
    await flow.submit(concurrency_key="k")
    second = await flow.submit(concurrency_key="k")
    [claimed] = await flow.claim()
    flow.advance(60)
    await flow.workers.beat("w1", ["default"], slots=10, running=0)
    assert [] == await flow.upkeep.take_rings(10)
    await flow.finish(claimed)
    [rung] = await flow.upkeep.take_rings(10)
    assert [second.task_id] == [row.key.task_id for row in rung.rows]


async def test_a_task_that_rests_gives_up_its_place(flow: FlowWorld) -> None:
    """Another one runs meanwhile; it stands at the gate again when its time has come."""
    await flow.submit(concurrency_key="k")
    second = await flow.submit(concurrency_key="k")
    claimed, lease = await flow.claim_one()
    error = TaskError(type="provider_unavailable", message="away", retryable=True)
    await flow.workers.settle(lease, retry(error, 30.0))
    [other] = await flow.claim(count=5)
    assert second.task_id == other.task_id
    await flow.finish(other)
    flow.advance(31)
    assert 1 == await flow.upkeep.open_gates(10)
    assert [claimed.task_id] == [task.task_id for task in await flow.claim(count=5)]


async def test_the_place_of_a_dead_worker_comes_free(flow: FlowWorld) -> None:
    """Its task is given back, and goes through the gate again."""
    await flow.submit(concurrency_key="k")
    [claimed] = await flow.claim()
    flow.advance(60)
    await flow.upkeep.bury_workers(10)
    assert 1 == await flow.upkeep.open_gates(10)
    [again] = await flow.claim("w2")
    assert (claimed.task_id, 2) == (again.task_id, again.epoch)


async def test_a_cancelled_task_leaves_its_place(flow: FlowWorld) -> None:
    """Pending inside or at the gate: upkeep lets the next one in."""
    inside = await flow.submit(concurrency_key="k")
    waiting = await flow.submit(concurrency_key="k")
    last = await flow.submit(concurrency_key="k")
    for task in (inside, waiting):
        await flow.tasks.cancel("default", task.task_id)
    await flow.upkeep.open_gates(10)
    assert [last.task_id] == [task.task_id for task in await flow.claim(count=5)]


async def test_a_handed_over_task_stands_at_the_gate_again(flow: FlowWorld) -> None:
    """Who waited there longer goes first, and only for that one it is rung."""
    await flow.submit(concurrency_key="k")
    second = await flow.submit(concurrency_key="k")
    flow.advance(1)
    _, lease = await flow.claim_one()
    moved = await flow.workers.settle(lease, release("drained"))
    assert (Status.PENDING, True) == (moved.status, moved.gated)
    [rung] = await flow.upkeep.take_rings(10)
    assert [second.task_id] == [row.key.task_id for row in rung.rows]
    assert [second.task_id] == [task.task_id for task in await flow.claim(count=5)]


async def test_many_at_once_let_in_no_more_than_the_limit(flow: FlowWorld) -> None:
    """Doors, workers and upkeep open one gate at the same time."""
    await flow.limit("k", concurrency=2)
    await asyncio.gather(*(flow.submit(concurrency_key="k") for _ in range(12)))
    for worker in range(8):
        await flow.workers.beat(f"w{worker}", ["default"], slots=5, running=0)
    acts = [
        *(flow.workers.claim(f"w{n}", ["default"], 5) for n in range(8)),
        *(flow.upkeep.open_gates(10) for _ in range(4)),
    ]
    answers = await asyncio.gather(*acts)
    claimed = [task for answer in answers if isinstance(answer, list) for task in answer]
    assert 2 >= len(claimed)
    assert 0 == await flow.upkeep.open_gates(10)


async def test_no_more_start_in_a_while_than_the_rate_says(flow: FlowWorld) -> None:
    """Then one for each part of the time that has passed."""
    await flow.limit("k", concurrency=10, rate=Rate(count=2, per_s=60))
    for _ in range(5):
        await flow.submit(concurrency_key="k")
    assert 2 == len(await flow.claim(count=10))
    flow.advance(29)
    assert 0 == await flow.upkeep.open_gates(10)
    flow.advance(2)
    assert 1 == await flow.upkeep.open_gates(10)
    flow.advance(600)
    assert 2 == await flow.upkeep.open_gates(10)


async def test_whom_no_worker_would_take_holds_no_place(flow: FlowWorld) -> None:
    """Its versions are gone with their worker: the next one goes on, and it comes when there is one again."""

    async def claim(worker: str, *supports: str) -> list[Task]:
        profile = Profile(pins={"noop": supports[-1:]}, supports=frozenset(supports))
        await flow.workers.beat(worker, ["default"], slots=9, running=0, profile=profile)
        return await flow.workers.claim(worker, ["default"], 9)

    first = await flow.submit(concurrency_key="k", priority=1)
    second = await flow.submit(concurrency_key="k")
    [claimed] = await claim("old", "agent@1")
    await flow.workers.settle(flow.lease(claimed), release("drained"))
    assert not (await flow.tasks.get("default", first.task_id)).gated
    await flow.workers.leave("old")
    assert [] == await claim("new", "agent@2")
    assert 1 == await flow.upkeep.open_gates(10)
    [claimed] = await claim("new", "agent@2")
    assert second.task_id == claimed.task_id
    await flow.finish(claimed)
    assert [0, []] == [await flow.upkeep.open_gates(10), await claim("new", "agent@2")]
    assert [] == await claim("both", "agent@1", "agent@2")
    assert 1 == await flow.upkeep.open_gates(10)
    assert [first.task_id] == [task.task_id for task in await claim("both", "agent@1", "agent@2")]


async def test_a_task_past_its_deadline_leaves_its_place(flow: FlowWorld) -> None:
    """Opened and never claimed; upkeep lets the next one in."""
    await flow.submit(concurrency_key="k", deadline_s=5.0)
    second = await flow.submit(concurrency_key="k")
    flow.advance(6)
    assert [1, 1] == [await flow.upkeep.expire(10), await flow.upkeep.open_gates(10)]
    assert [second.task_id] == [task.task_id for task in await flow.claim()]


async def test_every_gate_is_looked_at_though_a_pass_looks_at_few(flow: FlowWorld) -> None:
    """Gates that stay shut are not in the way of those behind them."""
    for key in ("a", "b", "c"):
        for _ in range(2):
            await flow.submit(concurrency_key=key)
    await flow.limit("c", concurrency=2)
    assert 1 == sum([await flow.upkeep.open_gates(1) for _ in range(4)])


async def test_limits_are_kept_by_key(flow: FlowWorld) -> None:
    """Set, read, replaced, listed, deleted; each tenant its own."""
    rate = Rate(count=5, per_s=1.5)
    for key in ("b", "a", "B"):
        await flow.limit(key, concurrency=2, rate=rate)
    await flow.limit("a", concurrency=4)
    assert KeyLimit(key="a", concurrency=4) == await flow.limits.get("default", "a")
    assert KeyLimit(key="b", concurrency=2, rate=rate) == await flow.limits.get("default", "b")
    listed = await flow.limits.page("default", after="B", limit=5)
    assert ["a", "b"] == [limit.key for limit in listed]
    assert await flow.limits.delete("default", "a")
    assert not await flow.limits.delete("default", "a")
    assert [] == [*await flow.limits.page("other", after="", limit=5)]


async def test_a_tenant_has_no_more_limits_than_it_may(flow: FlowWorld) -> None:
    """One that is there can be replaced all the same."""
    for key in ("a", "b"):
        await flow.limit(key)
    assert not await flow.limits.put("default", KeyLimit(key="c"), at_most=2)
    assert await flow.limits.put("default", KeyLimit(key="b", concurrency=2), at_most=2)
