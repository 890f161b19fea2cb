"""An operator's tool that is an agent, in durable tasks: it waits, goes on and is replayed like the rest."""

from decimal import Decimal

import pytest

from agentkit import Agent, AgentProfile, AllowList, handoff
from agentkit.messages import Reply, Usage
from agentkit.testing import ScriptedLlm, answer, call
from agentkit.tools import Tool
from agentkit.tools.builtin import ask_user
from ops_core.task import Status
from opspawn.replay import Recording, replay
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

PAID = Usage(10, 5, Decimal("0.001"))
HAND_OVER = call(("scout", {"goal": "Which Ada?"}), usage=PAID)
ASK = call(("ask_user", {"question": "Which Ada?"}), usage=PAID)


def scout(*script: Reply) -> Tool:
    """A new one for each claim, as in a new worker."""
    agent = Agent(
        ScriptedLlm(script),
        tools=[ask_user],
        profile=AgentProfile("scout"),
        security=AllowList(["ask_user"]),
    )
    return handoff(agent, "Finds things out.")


async def finished() -> tuple[AgentDesk, str]:
    """A task whose inner agent has asked a person, and was answered before another worker."""
    desk = AgentDesk(scout(ASK))
    task = await desk.submit(tools=["scout", "ask_user"])
    await desk.run(HAND_OVER)
    assert (await desk.task(task)).status is Status.WAITING
    await desk.answer(task, "The countess.")
    desk.tools["scout"] = scout(answer("The countess, then.", PAID))
    await desk.run(answer("It is the countess.", PAID), worker="w2")
    return desk, task


async def test_an_inner_agent_waits_and_goes_on_elsewhere() -> None:
    """No model is asked twice, and everything is on the task's bill."""
    desk, task_id = await finished()
    task = await desk.task(task_id)
    assert task.result is not None
    assert task.result["output"] == "It is the countess."
    assert (task.usage.input_tokens, task.usage.cost_usd, task.usage.steps) == (
        40,
        Decimal("0.004"),
        4,
    )


async def test_the_log_has_what_the_inner_agent_did() -> None:
    """Under the path of the call."""
    desk, task_id = await finished()
    told = [(event.type, event.data.get("path")) for event in await desk.log(task_id)]
    assert ("llm.completed", "1/tool/1/run/1/1/llm") in told
    assert ("input.requested", "1/tool/1/run/1/1/tool/1/input/1") in told
    assert told.index(("llm.completed", "1/tool/1/run/1/2/llm")) < told.index(
        ("tool.completed", "1/tool/1")
    )


async def test_the_log_says_once_that_work_was_handed_over() -> None:
    """Also when the inner agent has waited and was run again."""
    desk, task_id = await finished()
    handed = [event.data for event in await desk.log(task_id) if event.type == "agent.handoff"]
    assert [{"step": 1, "call_id": "call_1", "agent": "scout"}] == handed


async def test_such_a_run_is_replayed_without_a_difference() -> None:
    """The call is recorded, so the inner agent is not run at all."""
    desk, task_id = await finished()
    log = await desk.log(task_id)
    recording = Recording.of(await desk.task(task_id), log, desk.settings)
    assert (await replay(recording, desk.tools)).end == "task.completed"


async def test_a_run_that_waits_inside_is_replayed_to_there() -> None:
    """The inner agent is run from the log, up to its question."""
    desk = AgentDesk(scout(ASK))
    task_id = await desk.submit(tools=["scout", "ask_user"])
    await desk.run(HAND_OVER)
    log = await desk.log(task_id)
    recording = Recording.of(await desk.task(task_id), log, desk.settings)
    desk.tools["scout"] = scout()
    assert (await replay(recording, desk.tools)).end == "task.waiting"
