"""Runs that are cut short: what there was is the result of the failed task."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.messages import Reply
from agentkit.testing import answer, call
from ops_core.amounts import Allowance
from ops_core.errors import LostOwnership
from ops_core.log import Event, EventType
from ops_core.moves import Move
from ops_core.ports import Ending, Lease
from ops_core.request import parse_request
from ops_core.task import Status, Task
from ops_core.testing import MemoryBudgetStore, MemoryStore
from opspawn.agents.contract import AGENT_RUN
from opspawn.agents.so_far import MAX_CALLS, MAX_CHARACTERS, so_far
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

SUM = ("calculator", {"expression": "17 * 23"})
AT = datetime(2026, 1, 1, tzinfo=UTC)


async def submit(desk: AgentDesk, budget: dict[str, Any] | None = None, **config: Any) -> str:
    """A task that may ask its model once, unless `budget` says otherwise."""
    sent = {
        "task_type": AGENT_RUN,
        "input_data": {"goal": "What is 17 * 23?", "agent_config": config},
        "budget": budget or {"steps": 1},
    }
    submitted = await desk.service.submit(parse_request(sent), tenant_id="default")
    return submitted.task.task_id


def plan(*steps: tuple[str, str]) -> Reply:
    calls = [{"id": i, "tool": "calculator", "arguments": {"expression": e}} for i, e in steps]
    return answer(json.dumps({"steps": calls}))


def partial(output: str | None, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "output": output,
        "structured": None,
        "artifacts": [],
        "partial": True,
        "steps": [*steps],
    }


def done(path: str, output: str, tool: str = "calculator") -> dict[str, Any]:
    return {"step": path, "tool": tool, "output": output}


def event(kind: EventType, **data: Any) -> Event:
    return Event(task_id="task_a", seq=1, at=AT, type=kind, data=data)


async def test_a_run_without_money_has_what_there_was() -> None:
    """What the model last said and the calls that came back: in the task, and in its last event."""
    desk = AgentDesk()
    task_id = await submit(desk)
    await desk.run(call(SUM, thought="I multiply first."))
    expected = partial("I multiply first.", done("1/tool/1", "391"))
    task = await desk.task(task_id)
    assert (Status.FAILED, "budget_exhausted", expected) == (task.status, task.reason, task.result)
    end = (await desk.log(task_id))[-1]
    assert (EventType.TASK_FAILED, expected) == (end.type, end.data["result"])


async def test_what_was_reached_by_a_plan_is_its_steps() -> None:
    """The plan itself is not an output."""
    desk = AgentDesk()
    task_id = await submit(desk, planner_type="plan_execute")
    await desk.run(plan(("a", "17 * 23"), ("b", "${a} * 2")))
    task = await desk.task(task_id)
    assert partial(None, done("1/tool/1", "391"), done("1/tool/2", "782")) == task.result
    assert task.error is not None
    assert "Partial output" not in task.error.message


@pytest.mark.parametrize("steps", [[("a", "17 * 23", "abacus")], []])
async def test_a_plan_that_nothing_came_of_is_no_output(steps: list[tuple[str, str, str]]) -> None:
    """It names a tool that there is not, or has nothing to do; there is no money to ask again."""
    desk = AgentDesk()
    task_id = await submit(desk, planner_type="plan_execute")
    calls = [{"id": i, "tool": t, "arguments": {"expression": e}} for i, e, t in steps]
    await desk.run(answer(json.dumps({"steps": calls})))
    task = await desk.task(task_id)
    assert ("budget_exhausted", None) == (task.reason, task.result)


def test_a_plan_of_an_agent_that_is_a_tool_is_no_output() -> None:
    """No event but the reply tells of that one."""
    text = json.dumps(
        {"steps": [{"id": "a", "tool": "calculator", "arguments": "{}", "after": []}]}
    )
    inside = [
        event(EventType.LLM_COMPLETED, path="1/llm", text="You do it."),
        event(EventType.LLM_COMPLETED, path="1/tool/1/1/llm", text=text),
    ]
    assert partial("You do it.") == so_far(inside)


async def test_where_nothing_was_reached_there_is_no_result() -> None:
    """The first call already was too dear."""
    desk = AgentDesk()
    task_id = await submit(desk, {"tokens": 1})
    await desk.run()
    task = await desk.task(task_id)
    assert ("budget_exhausted", None) == (task.reason, task.result)
    assert "result" not in (await desk.log(task_id))[-1].data


async def test_a_limit_of_the_agent_leaves_what_there_was_too() -> None:
    """As a budget does; the reason is another one."""
    desk = AgentDesk()
    task_id = await desk.submit(max_steps=1)
    await desk.run(call(SUM, thought="I multiply first."))
    task = await desk.task(task_id)
    assert partial("I multiply first.", done("1/tool/1", "391")) == task.result
    assert task.error is not None
    assert ("error", "limit_exceeded") == (task.reason, task.error.type)


async def test_a_retried_task_is_without_it() -> None:
    """Until it has its answer, which takes the place of it."""
    desk = AgentDesk()
    task_id = await submit(desk)
    await desk.run(call(SUM, thought="I multiply first."))
    await MemoryBudgetStore(desk.store).put("default", task_id, Allowance(steps=2))
    retried = await desk.service.retry(task_id, tenant_id="default")
    assert retried.result is None
    await desk.run("391.")
    assert {"output": "391.", "structured": None, "artifacts": []} == (
        await desk.task(task_id)
    ).result


class DyingStore(MemoryStore):
    """Its worker dies when it has an end to settle for the first time."""

    is_dead = False

    async def end_together(self, batch: Sequence[Ending]) -> list[bool]:
        if not self.is_dead:
            self.is_dead = True
            return [False] * len(batch)
        return await super().end_together(batch)

    async def settle(self, lease: Lease, move: Move) -> Task:
        if lease.owner == "w1":
            raise LostOwnership
        return await super().settle(lease, move)


async def test_what_there_was_survives_the_worker() -> None:
    """It is killed when the budget was found exhausted, and the task has not ended."""
    desk = AgentDesk(store=DyingStore)
    task_id = await submit(desk)
    await desk.run(call(SUM, thought="I multiply first."))
    assert Status.RUNNING is (await desk.task(task_id)).status
    desk.clock.advance(60)
    await desk.store.bury_workers(10)
    await desk.run(worker="w2")
    expected = partial("I multiply first.", done("1/tool/1", "391"))
    assert expected == (await desk.task(task_id)).result


async def test_a_child_that_takes_the_last_of_its_familys_budget() -> None:
    """Has what it reached; its parent, which cannot go on either, has that among its own steps."""
    desk = AgentDesk()
    parent = await submit(desk, {"steps": 2}, tools=["run_tasks", "calculator"])
    await desk.run(call(("run_tasks", {"goals": ["a"]}), thought="I ask another."))
    await desk.run(call(SUM, thought="I multiply first."))
    [child] = [e.data["child_task_id"] for e in await desk.log(parent) if e.type == "child.started"]
    ended = await desk.task(child)
    assert partial("I multiply first.", done("1/tool/1", "391")) == ended.result
    await desk.woken()
    await desk.run()
    result = (await desk.task(parent)).result
    assert result is not None
    assert ("I ask another.", ["run_tasks"]) == (
        result["output"],
        [step["tool"] for step in result["steps"]],
    )
    assert '"output":"I multiply first."' in result["steps"][0]["output"]


def test_what_was_done_inside_a_call_that_came_back_is_in_its_output() -> None:
    """Of one that did not, what an agent that is a tool has said and done counts."""
    inside = [
        event(EventType.LLM_COMPLETED, path="1/llm", text="You do it."),
        event(EventType.LLM_COMPLETED, path="1/tool/1/1/llm", text="I think."),
        event(EventType.TOOL_COMPLETED, path="1/tool/1/1/tool/1", tool="calculator", output="1"),
    ]
    assert partial("I think.", done("1/tool/1/1/tool/1", "1")) == so_far(inside)
    back = event(EventType.TOOL_COMPLETED, path="1/tool/1", tool="writer", output="Done.")
    assert partial("You do it.", done("1/tool/1", "Done.", "writer")) == so_far([*inside, back])


def test_a_call_of_which_a_person_said_that_it_happened_came_back() -> None:
    """With what they said of it, as the model reads that."""
    log = [
        event(EventType.TOOL_UNKNOWN, path=f"1/tool/{n}", tool="send", why="it was cut off")
        for n in (1, 2, 3)
    ] + [
        event(EventType.EFFECT_RESOLVED, path="1/tool/1", outcome="happened", result="Sent."),
        event(EventType.EFFECT_RESOLVED, path="1/tool/2", outcome="happened", result={"id": 7}),
        event(EventType.EFFECT_RESOLVED, path="1/tool/3", outcome="run_again", result=None),
    ]
    expected = [done("1/tool/1", "Sent.", "send"), done("1/tool/2", '{"id": 7}', "send")]
    assert partial(None, *expected) == so_far(log)


def test_what_there_was_is_bounded() -> None:
    """The last calls, and the beginning of what each gave."""
    long = "x" * (MAX_CHARACTERS + 1)
    calls = [
        event(EventType.TOOL_COMPLETED, path=f"{n}/tool/1", tool="t", output=long)
        for n in range(MAX_CALLS + 1)
    ]
    found = so_far(calls)
    assert found is not None
    assert (MAX_CALLS, "1/tool/1") == (len(found["steps"]), found["steps"][0]["step"])
    assert ("x" * MAX_CHARACTERS, True) == (
        found["steps"][0]["output"],
        found["steps"][0]["truncated"],
    )
