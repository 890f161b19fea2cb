"""A task is run by the versions that it began with, or not at all."""

import pytest

from agentkit import prompts
from agentkit.testing import call
from ops_core.task import Reason, Status
from opspawn.agents import handler
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit


def newer_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an update of the library that has a second version of the prompt."""

    old = prompts.read_prompt

    def read(name: str, version: int) -> str:
        return "NEWER" if version == 2 else old(name, version)

    for module in (handler, prompts):
        monkeypatch.setattr(module, "newest", lambda _name: 2)
    monkeypatch.setattr(handler, "versions", lambda _name: (1, 2))
    monkeypatch.setattr(prompts, "read_prompt", read)


async def test_a_planner_uses_the_prompt_that_its_task_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that began before the update goes on with the old one; a new task has the new one."""
    desk = AgentDesk()
    task = await desk.submit(tools=["ask_user"])
    old = await desk.run(call(("ask_user", {"question": "Which?"})))
    newer_prompt(monkeypatch)
    await desk.answer(task, "This.")
    again = await desk.run("Done.", worker="updated")
    assert old.requests[0].messages[0] == again.requests[0].messages[0]
    await desk.submit()
    fresh = await desk.run("Done.", worker="updated")
    assert "NEWER" in str(fresh.requests[0].messages[0])


async def test_a_worker_without_the_prompt_leaves_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not run with another one, and not failed."""
    newer_prompt(monkeypatch)
    desk = AgentDesk()
    task = await desk.submit(tools=["ask_user"])
    await desk.run(call(("ask_user", {"question": "Which?"})))
    await desk.answer(task, "This.")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="not enough values"):  # nothing was claimed
        await desk.run("Done.", worker="older")
    assert Status.PENDING is (await desk.task(task)).status


async def test_a_step_that_was_recorded_with_other_input_fails_its_task_by_name() -> None:
    """As after a change of the worker's default model: the log does not fit the program any more."""
    desk = AgentDesk()
    task = await desk.submit(tools=["ask_user"])
    await desk.run(call(("ask_user", {"question": "Which?"})))
    await desk.answer(task, "This.")
    await desk.run("Done.", default_model="another")
    failed = await desk.task(task)
    assert (Status.FAILED, Reason.NONDETERMINISTIC) == (failed.status, failed.reason)
    assert failed.error is not None
    assert "nondeterministic" == failed.error.type
    assert "Step 1/llm (llm another)" in failed.error.message
