"""The pages on waiting: their requests are accepted, and their tables are what the code has."""

import json

import pytest
from pydantic import BaseModel

from ops_core.api.ask_views import ApprovalView, InputView
from ops_core.api.step_views import StepView
from ops_core.bodies import parsed
from ops_core.ports import TaskFilter
from ops_core.replies import AnswerReply, ApprovalReply, EffectReply, InputReply, LinkRequest
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.steps import StepStatus
from ops_core.task import NewTask
from ops_core.testing import MemoryStore
from opspawn.agents.contract import TASK_TYPES
from opspawn.agents.toolbox import BUILTIN
from support.documents import blocks, names, prose, read, rows, section

PAGE = read("docs/how-to/wait-for-people.md")
REST = read("docs/reference/rest.md")
BODIES = [json.loads(block) for block in blocks(PAGE, "json")]
TASKS = [body for body in BODIES if "task_type" in body]

REPLIES: dict[str, type[BaseModel]] = {
    "answer": InputReply,
    "decision": ApprovalReply,
    "outcome": EffectReply,
}


@pytest.mark.parametrize("body", TASKS)
async def test_every_task_of_the_page_can_be_submitted(body: dict[str, object]) -> None:
    store = MemoryStore()
    for task_id in ("task_a", "task_b"):
        new = NewTask(task_id=task_id, tenant_id="d", task_type="agent_run", input_data={})
        await store.submit(new)
    service = TaskService(store, TASK_TYPES, lambda _queue, _task_id: None)
    await service.submit(parse_request(body), tenant_id="d")
    assert 3 == (await service.list(TaskFilter(), tenant_id="d")).total


def test_every_answer_of_the_page_is_one() -> None:
    answers = [body for body in BODIES if isinstance(body, dict) and REPLIES.keys() & body.keys()]
    assert 3 == len(answers)
    for body in answers:
        [kind] = REPLIES.keys() & body.keys()
        parsed(REPLIES[kind], body)


def test_every_request_of_the_page_on_approvals_is_one() -> None:
    kinds: list[type[BaseModel]] = [ApprovalReply, LinkRequest, AnswerReply]
    bodies = [json.loads(block) for block in blocks(read("docs/how-to/approve-calls.md"), "json")]
    for kind, body in zip(kinds, bodies, strict=True):
        parsed(kind, body)


def test_the_reference_has_every_field_of_an_approval_and_of_a_question() -> None:
    told = set(names(prose(section(REST, "Bringing what a task waits for"))))
    assert set(ApprovalView.model_fields) | set(InputView.model_fields) <= told


def test_the_tools_of_the_page_exist() -> None:
    built_in = {tool.name for tool in BUILTIN}
    named = {
        name
        for body in TASKS
        for name in body["input_data"].get("agent_config", {}).get("tools", [])
    }
    assert named <= built_in
    assert {"sleep", "run_tasks"} <= built_in & set(names(prose(PAGE)))


def test_the_reference_has_every_field_of_a_step() -> None:
    found = rows(section(REST, "Steps"))
    fields = [name for row in found for name in names(row[0]) if name not in set(StepStatus)]
    told_beside = {"truncated"}  # with the values that it is about
    assert sorted(set(StepView.model_fields) - told_beside) == sorted(fields)


def test_the_reference_has_every_status_of_a_step() -> None:
    listed = [names(row[0])[0] for row in rows(section(REST, "Steps"))]
    assert [str(status) for status in StepStatus] == [s for s in listed if s in set(StepStatus)]
