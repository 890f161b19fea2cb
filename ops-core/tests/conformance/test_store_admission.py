"""How much may be under way: what is refused, and what never is."""

import asyncio

import pytest
from flow_world import FlowWorld

from ops_core.admission import AdmissionLimits
from ops_core.errors import BacklogFull, NotNow, TenantNotFound, TooManyTasks
from ops_core.identity.audit import AuditEntry
from ops_core.ports import TaskFilter
from ops_core.task import NewTask, Task, new_task_id

pytestmark = pytest.mark.conformance

ENTRY = AuditEntry(
    tenant_id="default", subject="x", action="put_tenant_limits", object="default", request_id=""
)


@pytest.fixture
def admission() -> AdmissionLimits:
    return AdmissionLimits(max_unfinished=3, max_backlog=5, tenants={"small": 1})


async def submits(flow: FlowWorld, count: int, tenant_id: str = "default") -> list[Task]:
    return [await flow.submit(tenant_id=tenant_id) for _ in range(count)]


async def test_a_tenant_at_its_limit_is_refused_and_nothing_is_stored(flow: FlowWorld) -> None:
    """Which limit it is, and that another tenant is not concerned."""
    await submits(flow, 3)
    with pytest.raises(TooManyTasks, match="3 unfinished"):
        await flow.submit()
    assert 3 == (await flow.tasks.page("default", TaskFilter(), limit=10, cursor=None)).total
    assert "pending" == (await flow.submit(tenant_id="other")).status


async def test_an_ended_task_makes_room(flow: FlowWorld) -> None:
    """Completed, cancelled: either way it is under way no more."""
    tasks = await submits(flow, 3)
    claimed, _ = await flow.claim_one()
    await flow.finish(claimed)
    other = next(task for task in tasks if task.task_id != claimed.task_id)
    await flow.tasks.cancel("default", other.task_id)
    assert 2 == len(await submits(flow, 2))
    with pytest.raises(TooManyTasks):
        await flow.submit()


async def test_a_retried_task_counts_again(flow: FlowWorld) -> None:
    """Its next generation is under way, and was admitted before."""
    [task] = await submits(flow, 1)
    await flow.tasks.cancel("default", task.task_id)
    await submits(flow, 3)
    await flow.tasks.retry("default", task.task_id)
    with pytest.raises(TooManyTasks):
        await flow.submit()


async def test_a_repeated_submit_is_never_refused(flow: FlowWorld) -> None:
    """It stores nothing, so nothing is too much for it."""
    first = await flow.submit(idempotency_key="k", request_hash="h")
    await submits(flow, 2)
    again = await flow.submit(idempotency_key="k", request_hash="h")
    assert first.task_id == again.task_id


async def test_a_child_is_always_admitted(flow: FlowWorld) -> None:
    """What was accepted must be able to end."""
    parent = (await submits(flow, 3))[0]
    child = await flow.submit(parent_task_id=parent.task_id)
    assert "pending" == child.status


async def test_all_tenants_together_have_a_limit(flow: FlowWorld) -> None:
    """Other than the limit of one tenant, and told apart from it."""
    await submits(flow, 3)
    await submits(flow, 2, tenant_id="other")
    with pytest.raises(BacklogFull):
        await flow.submit(tenant_id="third")


async def test_a_tenant_may_have_a_limit_of_its_own(flow: FlowWorld) -> None:
    """It takes the place of the limit of all."""
    await flow.submit(tenant_id="small")
    with pytest.raises(TooManyTasks, match="1 unfinished"):
        await flow.submit(tenant_id="small")


async def test_the_operator_gives_a_tenant_another_limit_while_it_runs(flow: FlowWorld) -> None:
    """From the next submit on, lower or higher than that of the settings, until he takes it back."""
    await submits(flow, 2)
    for most in (2, 4):
        told = await flow.tenants.limit("default", most, ENTRY)
        assert most == told.max_unfinished == (await flow.tenants.get("default")).max_unfinished
        await submits(flow, most - 2)
        with pytest.raises(TooManyTasks, match=f"{most} unfinished"):
            await flow.submit()
    assert (await flow.tenants.limit("default", None, ENTRY)).max_unfinished is None
    with pytest.raises(TooManyTasks, match="3 unfinished"):
        await flow.submit()


async def test_there_is_no_limit_of_a_tenant_that_is_not_there(flow: FlowWorld) -> None:
    """Nor anything of it to be read."""
    with pytest.raises(TenantNotFound):
        await flow.tenants.limit("nobody", 1, ENTRY)
    with pytest.raises(TenantNotFound):
        await flow.tenants.get("nobody")


async def test_a_hundred_submits_at_once_do_not_get_past_the_limit(flow: FlowWorld) -> None:
    """Exactly as many as there was room for are stored."""
    answers = await asyncio.gather(*(_submit(flow) for _ in range(100)))
    assert 3 == sum(answers)


async def test_folded_changes_count_as_before(flow: FlowWorld) -> None:
    """Upkeep adds up what was noted; nobody is admitted or refused for that."""
    for _ in range(100):
        task = await flow.submit()
        await flow.tasks.cancel("default", task.task_id)
    await submits(flow, 2)
    await flow.upkeep.fold_load(10_000)
    await flow.submit()
    with pytest.raises(TooManyTasks):
        await flow.submit()


async def _submit(flow: FlowWorld) -> bool:
    new = NewTask(task_id=new_task_id(), tenant_id="default", task_type="noop", input_data={})
    try:
        await flow.tasks.submit(new)
    except NotNow:
        return False
    return True
