"""Who comes first: tenants by turns, and priorities within a tenant."""

from datetime import UTC, datetime, timedelta

import pytest
from flow_world import FlowWorld

from ops_core.task import Task

pytestmark = pytest.mark.conformance


def owners(claimed: list[Task]) -> str:
    return "".join(task.tenant_id for task in claimed)


async def test_one_task_does_not_wait_behind_many_of_another_tenant(flow: FlowWorld) -> None:
    """It is claimed by the second claim at the latest, however many came before it."""
    for _ in range(20):
        await flow.submit(tenant_id="a", priority=10)
    await flow.submit(tenant_id="b")
    assert "b" in owners([*await flow.claim(), *await flow.claim()])


async def test_tenants_are_served_by_turns(flow: FlowWorld) -> None:
    """One claim after the other, each of one task."""
    for tenant in "aaabbbccc":
        await flow.submit(tenant_id=tenant)
    assert "abcabcabc" == "".join([owners(await flow.claim()) for _ in range(9)])


async def test_a_claim_of_many_takes_one_of_each_before_the_second_of_any(flow: FlowWorld) -> None:
    """What one tenant does not use of its part goes to the others."""
    for tenant in "aaaaaabbcc":
        await flow.submit(tenant_id=tenant)
    assert "aabc" == "".join(sorted(owners(await flow.claim(count=4))))
    assert "aaabc" == "".join(sorted(owners(await flow.claim(count=5))))
    assert "a" == owners(await flow.claim(count=6))


async def test_a_tenant_that_comes_back_has_saved_up_nothing(flow: FlowWorld) -> None:
    """It has its turn, and not those that it did not ask for while it was away."""
    for tenant in "aaaaaaabb":
        await flow.submit(tenant_id=tenant)
    first = "".join([owners(await flow.claim()) for _ in range(6)])
    assert "ababaa" == first
    for tenant in "bbb":
        await flow.submit(tenant_id=tenant)
    assert "abab" == "".join([owners(await flow.claim()) for _ in range(4)])


async def test_a_priority_holds_within_its_tenant(flow: FlowWorld) -> None:
    """Another tenant's turn is not for sale."""
    await flow.submit(tenant_id="a", priority=1)
    high = await flow.submit(tenant_id="a", priority=100)
    await flow.submit(tenant_id="b", priority=-100)
    first, second = [*await flow.claim(), *await flow.claim()]
    assert [high.task_id, "b"] == [first.task_id, second.tenant_id]


async def test_a_tenant_whose_tasks_are_not_due_takes_no_turn(flow: FlowWorld) -> None:
    """Its later tasks hold up nobody, nor do those that wait for others."""
    needed = await flow.submit(tenant_id="b")
    await flow.submit(tenant_id="a", depends_on=(await flow.submit(tenant_id="a")).task_id.split())
    flow.advance(1)
    for _ in range(3):
        await flow.submit(tenant_id="b")
    claimed = [await flow.claim() for _ in range(5)]
    assert "abbbb" == "".join(map(owners, claimed))
    assert needed.task_id == claimed[1][0].task_id


async def test_delayed_tasks_of_every_priority_hold_up_nobody(flow: FlowWorld) -> None:
    """What is due comes by priority, past what is not due yet, above and between."""
    at = datetime.now(UTC) + timedelta(days=300)
    for priority in (9, 5, 1):
        await flow.submit(priority=priority, scheduled_at=at)
    due = [await flow.submit(priority=priority) for priority in (1, 7, 3)]
    expected = [due[1].task_id, due[2].task_id, due[0].task_id]
    assert expected == [task.task_id for task in await flow.claim(count=10)]


async def test_a_claim_goes_down_the_priorities_of_each_tenant(flow: FlowWorld) -> None:
    """As far as its part of the claim goes, and further where others leave theirs."""
    for priority in range(6):
        await flow.submit(tenant_id="a", priority=priority)
    await flow.submit(tenant_id="b")

    async def claim(count: int) -> list[tuple[str, int]]:
        return sorted((task.tenant_id, -task.priority) for task in await flow.claim(count=count))

    assert [("a", -5), ("a", -4), ("b", 0)] == await claim(3)
    assert [("a", -3), ("a", -2), ("a", -1), ("a", 0)] == await claim(6)
