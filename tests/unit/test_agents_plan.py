"""Planned runs as durable tasks, and answers that fit a schema."""

import json
import re
from typing import Any

import pytest

from agentkit.messages import Reply
from agentkit.testing import answer, call
from ops_core.errors import InvalidRequest
from ops_core.ports import TaskType
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.task import Status
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit


def plan(*steps: tuple[str, str, dict[str, Any]]) -> Reply:
    written = [{"id": name, "tool": tool, "arguments": args} for name, tool, args in steps]
    return answer(json.dumps({"steps": written}))


TWICE = plan(
    ("a", "calculator", {"expression": "17 * 23"}),
    ("b", "calculator", {"expression": "${a} * 2"}),
)
PLANNED = {"planner_type": "plan_execute"}


async def test_a_planned_task_says_its_plan() -> None:
    """The plan is an event, the calls are steps, and the answer is made of what they returned."""
    desk = AgentDesk()
    task = await desk.submit("Twice 17 * 23?", **PLANNED)
    llm = await desk.run(TWICE, "782")
    done = await desk.task(task)
    assert done.result == {"output": "782", "structured": None, "artifacts": []}
    assert "Step b (calculator) returned:\n782" in str(llm.requests[1].messages[-1].text)
    log = await desk.log(task)
    [planned] = [event.data for event in log if event.type == "agent.plan"]
    assert planned["step"] == 1
    assert planned["steps"][1] == {
        "id": "b",
        "tool": "calculator",
        "arguments": {"expression": "${a} * 2"},
        "after": [],
    }
    paths = [event.data["path"] for event in log if event.type == "tool.completed"]
    assert paths == ["1/tool/1", "1/tool/2"]


async def test_a_plan_is_said_once_however_often_it_is_read() -> None:
    """A run that waits in the middle of its plan goes on with it when it is claimed again."""
    desk = AgentDesk()
    task = await desk.submit(tools=["ask_user", "calculator"], **PLANNED)
    await desk.run(
        plan(
            ("a", "ask_user", {"question": "How many?"}),
            ("b", "calculator", {"expression": "${a} * 2"}),
        )
    )
    assert (await desk.task(task)).status is Status.WAITING
    await desk.answer(task, "21")
    llm = await desk.run("42")
    assert "Step b (calculator) returned:\n42" in str(llm.requests[0].messages[-1].text)
    assert [event.type for event in await desk.log(task)].count("agent.plan") == 1


@pytest.mark.parametrize(
    ("script", "error", "why"),
    [
        ([plan(("a", "leap", {}))] * 2, "invalid_plan", "No plan can be carried out: .*leap"),
        (
            [plan((f"s{n}", "calculator", {"expression": "?"})) for n in range(3)],
            "plan_failed",
            "the task's steps say why",
        ),
        (["Look!", "Look!"], "output_invalid", "it is not JSON"),
    ],
)
async def test_a_plan_that_leads_nowhere_fails_the_task(
    script: list[Any], error: str, why: str
) -> None:
    """With the type and the reason, or where the reason is."""
    desk = AgentDesk()
    task = await desk.submit(**PLANNED)
    await desk.run(*script)
    failed = await desk.task(task)
    assert failed.error is not None
    assert (failed.status, failed.error.type) == (Status.FAILED, error)
    assert re.search(why, failed.error.message)


async def test_the_settings_choose_the_planner() -> None:
    """A task that does not say has that of the server."""
    desk = AgentDesk()
    desk.settings = desk.settings.model_copy(update={"planner_type": "plan_execute"})
    task = await desk.submit()
    await desk.run(plan(), "Done.")
    assert (await desk.task(task)).status is Status.COMPLETED


SCHEMA = {"type": "object", "required": ["product"], "properties": {"product": {"type": "integer"}}}


async def test_an_answer_that_fits_is_structured() -> None:
    """As JSON, beside the text."""
    desk = AgentDesk()
    task = await desk.submit(output_schema=SCHEMA)
    await desk.run(call(("calculator", {"expression": "17 * 23"})), '{"product": 391}')
    done = await desk.task(task)
    assert done.result is not None
    assert done.result["structured"] == {"product": 391}


async def test_an_answer_that_does_not_fit_fails_the_task() -> None:
    """After it was asked for once more."""
    desk = AgentDesk()
    task = await desk.submit(output_schema=SCHEMA)
    await desk.run('{"product": "much"}', '{"product": "more"}')
    failed = await desk.task(task)
    assert failed.error is not None
    assert failed.error.type == "output_invalid"


async def test_a_schema_may_be_sent_beside_the_input() -> None:
    """As the contract has it; it is kept where workers look for it, and both ways are one request."""
    desk = AgentDesk()
    data = {"goal": "17 * 23?", "agent_config": {"max_steps": 5}}
    beside = {"task_type": "agent_run", "input_data": data, "output_schema": SCHEMA}
    inside = {"goal": "17 * 23?", "agent_config": {"max_steps": 5, "output_schema": SCHEMA}}
    submitted = await desk.service.submit(
        parse_request(beside), tenant_id="default", idempotency_key="k"
    )
    again = await desk.service.submit(
        parse_request({"task_type": "agent_run", "input_data": inside}),
        tenant_id="default",
        idempotency_key="k",
    )
    assert submitted.task.input_data == inside
    assert (again.task.task_id, again.created) == (submitted.task.task_id, False)


@pytest.mark.parametrize(
    ("config", "schema", "path"),
    [
        ({}, {"type": "thing"}, "input_data.agent_config.output_schema.type"),
        ({"output_schema": SCHEMA}, {"type": "object"}, "output_schema"),
        ("small", SCHEMA, "input_data.agent_config"),
        ({}, {"$ref": "http://127.0.0.1:9/"}, "input_data.agent_config.output_schema"),
        ({}, {"items": {"$ref": "#/$defs/no"}}, "input_data.agent_config.output_schema"),
        ({"output_schema": {"$ref": "#nowhere"}}, None, "input_data.agent_config.output_schema"),
    ],
)
async def test_a_schema_that_cannot_be_one_is_refused(
    config: Any, schema: dict[str, Any] | None, path: str
) -> None:
    """Nothing is stored, and the field is named."""
    data = {"goal": "17 * 23?", "agent_config": config}
    asked = {"task_type": "agent_run", "input_data": data, "output_schema": schema}
    with pytest.raises(InvalidRequest) as caught:
        await AgentDesk().service.submit(parse_request(asked), tenant_id="default")
    assert caught.value.errors[0].path == path


async def test_a_task_type_without_a_schema_refuses_one() -> None:
    """A promise that nobody would keep."""
    types = {"plain": TaskType(name="plain", input_schema={"type": "object"})}
    service = TaskService(AgentDesk().store, types, lambda *_: None)
    asked = parse_request({"task_type": "plain", "output_schema": SCHEMA})
    with pytest.raises(InvalidRequest, match="output_schema: is not taken by tasks of type plain"):
        await service.submit(asked, tenant_id="default")


async def test_what_a_schema_refers_to_is_told_in_the_refusal() -> None:
    """By the reference, as its author wrote it."""
    schema = SCHEMA | {"$defs": {"a": True}, "not": {"$ref": "#/$defs/b"}}
    with pytest.raises(InvalidRequest, match=r"refers to #/\$defs/b, which is not in it"):
        await AgentDesk().submit(output_schema=schema)


@pytest.mark.parametrize("field", ["tools", "approve"])
async def test_tools_for_a_planner_that_calls_none_are_refused(field: str) -> None:
    """With the reason: the answer would come without them, and nobody would know."""
    with pytest.raises(InvalidRequest) as caught:
        await AgentDesk().submit("Add.", planner_type="simple", **{field: ["calculator"]})
    [error] = caught.value.errors
    assert f"input_data.agent_config.{field}" == error.path
    assert "planner_type simple is one model call without tools" in error.message


async def test_the_simple_planner_has_no_tools_unless_asked_for() -> None:
    """Those that every other run has by itself are none that it must refuse."""
    desk = AgentDesk()
    task = await desk.submit(planner_type="simple", tools=[])
    assert () == (await desk.run("391.")).requests[0].tools
    other = await desk.submit(planner_type="simple")
    await desk.run("391.")
    assert ["completed"] * 2 == [(await desk.task(one)).status for one in (task, other)]


async def test_tools_for_the_simple_planner_of_the_worker_fail_the_task() -> None:
    """The door does not know the worker's default; the worker does not leave them out in silence."""
    desk = AgentDesk()
    desk.settings = desk.settings.model_copy(update={"planner_type": "simple"})
    task = await desk.submit(tools=["calculator"])
    await desk.run()
    error = (await desk.task(task)).error
    assert error is not None
    assert ("usage_error", True) == (error.type, "calculator" in error.message)


async def test_a_childs_answer_is_its_own() -> None:
    """The schema is for the answer of the task that was submitted with it."""
    desk = AgentDesk()
    task = await desk.submit(tools=["run_tasks"], output_schema=SCHEMA)
    await desk.run(call(("run_tasks", {"goals": ["17 * 23?"]})))
    await desk.run("It is 391.")
    await desk.woken()
    await desk.run('{"product": 391}')
    done = await desk.task(task)
    assert done.result is not None
    assert done.result["structured"] == {"product": 391}
