"""A model's reply that is of no use: it is paid for, so the task's log and its bill have it."""

from decimal import Decimal
from typing import Any

import pytest

from agentkit.messages import Usage
from agentkit.testing import answer
from ops_core.log import EventType
from ops_core.steps import StepEntry, StepStatus, steps_of
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


async def unfit(desk: AgentDesk) -> str:
    """A task whose model is asked twice, and does not answer as it must."""
    task_id = await desk.submit("Count.", output_schema=SCHEMA)
    await desk.run(
        answer("many", Usage(10, 5, Decimal("0.01"))), answer("two", Usage(20, 7, Decimal("0.02")))
    )
    return task_id


async def failed(desk: AgentDesk, task_id: str) -> dict[str, Any]:
    [event] = [e for e in await desk.log(task_id) if e.type == EventType.LLM_FAILED]
    return event.data


async def row(desk: AgentDesk, task_id: str) -> StepEntry:
    [only] = steps_of(task_id, await desk.log(task_id))
    return only


async def test_an_answer_that_does_not_fit_is_on_the_bill() -> None:
    """Both calls were paid for, though the task has nothing of them."""
    desk = AgentDesk()
    task = await desk.task(await unfit(desk))
    assert task.error is not None
    assert ("output_invalid", 30, 12, Decimal("0.03"), 1) == (
        task.error.type,
        task.usage.input_tokens,
        task.usage.output_tokens,
        task.usage.cost_usd,
        task.usage.steps,
    )


async def test_the_log_says_what_the_model_said_and_what_is_wrong_with_it() -> None:
    """The last reply, with the usage of both."""
    desk = AgentDesk()
    data = await failed(desk, await unfit(desk))
    assert ("1/llm", "two", "0.03") == (data["path"], data["text"], data["cost_usd"])
    assert "output_invalid" == data["error"]["type"]


async def test_the_step_is_failed_and_says_why() -> None:
    """Who looks at the steps sees the reply without reading the log."""
    desk = AgentDesk()
    seen = await row(desk, await unfit(desk))
    assert (StepStatus.FAILED, "two") == (seen.status, seen.output["text"])
    assert "does not fit" in (seen.why or "")


async def test_a_retried_task_asks_again_and_adds_to_the_bill() -> None:
    """What was of no use is no value of the step: no replay takes it for one."""
    desk = AgentDesk()
    task_id = await unfit(desk)
    await desk.store.retry("default", task_id)
    await desk.run(answer('{"n": 2}', Usage(1, 1, Decimal("0.5"))))
    task, seen = await desk.task(task_id), await row(desk, task_id)
    assert ({"n": 2}, Decimal("0.53")) == (task.result["structured"], task.usage.cost_usd)  # type: ignore[index]
    assert (StepStatus.COMMITTED, None) == (seen.status, seen.why)
