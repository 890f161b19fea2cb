"""Agents that are paid from budgets: what a model call may use, and what is left of a run without money."""

from decimal import Decimal
from typing import Any

import pytest

from agentkit.messages import Usage
from agentkit.testing import call
from ops_core.amounts import Allowance
from ops_core.budgets.ledger import Budget
from ops_core.log import EventType
from ops_core.request import parse_request
from ops_core.task import Status
from ops_core.testing import MemoryBudgetStore
from opspawn.agents.contract import AGENT_RUN
from opspawn.agents.spending import Prices
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

SUM = ("calculator", {"expression": "17 * 23"})


class PaidDesk(AgentDesk):
    """A desk whose tasks have budgets."""

    async def submit_with(self, budget: dict[str, Any] | None = None, **config: Any) -> str:
        data = {"goal": "What is 17 * 23?", "agent_config": config}
        sent = {"task_type": AGENT_RUN, "input_data": data, "budget": budget}
        submitted = await self.service.submit(parse_request(sent), tenant_id="default")
        return submitted.task.task_id

    async def budget(self, task_id: str) -> Budget:
        found = await MemoryBudgetStore(self.store).get("default", task_id)
        assert found is not None
        return found


@pytest.fixture
def desk() -> PaidDesk:
    return PaidDesk()


async def test_an_answer_is_no_longer_than_what_was_reserved_for_it(desk: PaidDesk) -> None:
    """A quarter of the task's own tokens; without a budget the provider decides."""
    await desk.submit_with({"tokens": 4000})
    asked = (await desk.run("391.")).requests
    await desk.submit_with()
    free = (await desk.run("391.")).requests
    assert [1000, None] == [asked[0].settings.max_tokens, free[0].settings.max_tokens]


async def test_what_a_model_used_is_spent(desk: PaidDesk) -> None:
    """Reserved is what was sent and the longest answer, and none of that in the end."""
    task_id = await desk.submit_with({"tokens": 40_000, "cost_usd": "1"})
    await desk.run(call(SUM), "391.")
    budget = await desk.budget(task_id)
    used = (await desk.task(task_id)).usage
    assert (used.input_tokens + used.output_tokens, 2) == (budget.spent.tokens, budget.spent.steps)
    assert 0 == budget.reserved.tokens
    log = await desk.log(task_id)
    reserved = [e.data["tokens"] for e in log if e.type == EventType.BUDGET_RESERVED]
    assert all(8192 < tokens < 12_000 for tokens in reserved)


async def test_a_run_without_money_ends_with_what_there_was(desk: PaidDesk) -> None:
    """The error says what the model had last said, and the task may go on with more."""
    task_id = await desk.submit_with({"steps": 1})
    await desk.run(call(SUM, thought="I multiply first."))
    task = await desk.task(task_id)
    assert (Status.FAILED, "budget_exhausted") == (task.status, task.reason)
    assert task.error is not None
    assert "Partial output: I multiply first." in task.error.message
    await MemoryBudgetStore(desk.store).put("default", task_id, Allowance(steps=2))
    await desk.service.retry(task_id, tenant_id="default")
    await desk.run("391.")
    assert {"output": "391.", "structured": None, "artifacts": []} == (
        await desk.task(task_id)
    ).result


async def test_a_model_without_a_price_cannot_be_paid(desk: PaidDesk) -> None:
    """Of a provider that asks for money; the message says what to do instead."""
    task_id = await desk.submit_with({"cost_usd": "1"}, llm_provider="openai", llm_model="nobodys")
    await desk.run()
    task = await desk.task(task_id)
    assert task.error is not None
    assert ("budget_exhausted", True) == (task.error.type, "limit tokens" in task.error.message)


async def test_a_priced_model_is_reserved_for_in_money(desk: PaidDesk) -> None:
    """What it may cost at most, before it is asked."""
    task_id = await desk.submit_with({"cost_usd": "1"}, llm_provider="openai", llm_model="gpt-4o")
    await desk.run("391.")
    log = await desk.log(task_id)
    [reserved] = [e.data for e in log if e.type == EventType.BUDGET_RESERVED]
    assert Decimal("0.05") < Decimal(reserved["cost_usd"]) < Decimal("0.2")


def test_each_agent_of_a_run_is_paid_at_the_prices_of_its_own_provider() -> None:
    """One that work is handed over to may have another model of another provider."""
    prices, used = Prices(), Usage(1_000_000, 0)
    prices.add("gpt-4o", "openai")
    prices.add("smollm2-135m-instruct", "local")
    assert Decimal("2.5") == prices("gpt-4o", used)
    assert Decimal(0) == prices("smollm2-135m-instruct", used)
    assert prices("nobodys", used) is None


def test_the_dearer_of_two_providers_of_one_model_is_reserved_for() -> None:
    """And where one has no price that is known, neither has the model."""
    prices, used = Prices(), Usage(1_000_000, 0)
    prices.add("gpt-4o", "local")
    prices.add("gpt-4o", "openai")
    assert Decimal("2.5") == prices("gpt-4o", used)
    prices.add("gpt-4o", "anthropic")
    assert prices("gpt-4o", used) is None


async def test_a_child_draws_on_its_parents_budget(desk: PaidDesk) -> None:
    """A task that it starts has no money of its own."""
    task_id = await desk.submit_with({"tokens": 60_000}, tools=["run_tasks"])
    await desk.run(call(("run_tasks", {"goals": ["a"]})))
    before = (await desk.budget(task_id)).spent.tokens
    await desk.run("A.")
    await desk.woken()
    assert before < (await desk.budget(task_id)).spent.tokens
