"""Agents as durable tasks: a scripted model, the real executor, the in-memory store.

Every claim is a new worker: whatever a run kept in memory is gone when its task waits.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import pytest

from agentkit.context import RunContext
from agentkit.errors import FailedBeforeEffect
from agentkit.llm import LlmClient, ModelRequest
from agentkit.messages import Reply, ToolMessage, UserMessage
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call
from agentkit.tools import Tool, tool
from ops_core import answers
from ops_core.execute import Executor
from ops_core.log import Event, EventType
from ops_core.ports import Decide, TaskFilter
from ops_core.request import TaskRequest
from ops_core.service import TaskService
from ops_core.task import Reason, Status, Task
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter
from opspawn.agents import toolbox
from opspawn.agents.contract import AGENT_RUN, TASK_TYPES
from opspawn.agents.handler import AgentHandler
from opspawn.settings import Settings

pytestmark = pytest.mark.unit

Think = Callable[[ModelRequest], Reply]


class OneModel:
    """What the handler needs of `Providers`: everybody gets the model of the test."""

    def __init__(self, llm: ScriptedLlm) -> None:
        self._llm = llm

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        return self._llm

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""


class Office:
    """A store and its workers, each of which lives for one claim."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.writer = StepWriter(self.store)
        self.service = TaskService(self.store, TASK_TYPES, lambda _queue, _task_id: None)
        self.llm = ScriptedLlm([])
        self.tools: dict[str, Tool] = dict(toolbox.load([]))

    def think(self, *script: Reply | str | Think) -> None:
        self.llm = ScriptedLlm(script)

    async def submit(self, *tools: str, goal: str = "Do it.", **config: object) -> str:
        config |= {"tools": list(tools)}
        data = {"goal": goal, "agent_config": config}
        request = TaskRequest(task_type=AGENT_RUN, input_data=data)
        return (await self.service.submit(request, tenant_id="default")).task.task_id

    async def work(self) -> None:
        """Everything that is due now runs, and upkeep says what must be said, until nothing moves."""
        while True:
            await self.store.beat("w", ["default"], slots=100, running=0)
            claimed = await self.store.claim("w", ["default"], 100)
            handler = AgentHandler(
                Settings(),
                OneModel(self.llm),
                self.tools,
                self.service.submit,
            )
            executor = Executor(self.store, self.writer, {AGENT_RUN: handler})
            await asyncio.gather(*(executor.execute(executor.open(task)) for task in claimed))
            moved = await self.store.wake(100) + await self.store.tell_ends(100)
            if not claimed and not moved:
                return

    async def task(self, task_id: str) -> Task:
        return await self.store.get("default", task_id)

    async def bring(self, task_id: str, decide: Decide) -> Task:
        await self.store.signal("default", task_id, decide)
        await self.work()
        return await self.task(task_id)

    async def log(self, task_id: str, kind: EventType) -> list[Event]:
        return [e for e in await self.store.log("default", task_id) if e.type == kind]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    writing = asyncio.create_task(office.writer.run())
    yield office
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


def repeat(request: ModelRequest) -> Reply:
    """Answers with what the tools said."""
    seen = [m.text for m in request.messages if isinstance(m, ToolMessage)]
    return answer(" | ".join(seen))


def output(task: Task) -> object:
    assert task.result is not None, task.error
    return task.result["output"]


async def test_a_question_to_the_user_ends_the_run_until_it_is_answered(office: Office) -> None:
    """The answer is the tool's observation; each model call is paid for once."""
    office.think(call(("ask_user", {"question": "Who?"})), repeat)
    task_id = await office.submit("ask_user")
    await office.work()
    waiting = await office.task(task_id)
    assert (Status.WAITING, Reason.INPUT) == (waiting.status, waiting.reason)
    [wait] = waiting.waiting_for or []
    assert ("input", "1/tool/1/input/1", "Who?") == (
        wait["reason"],
        wait["step"],
        wait["question"],
    )
    done = await office.bring(task_id, answers.answer(None, "Ada"))
    assert ("Ada", 2, 2) == (output(done), len(office.llm.requests), done.usage.steps)


async def test_an_answer_may_be_any_json(office: Office) -> None:
    """What is no text is told to the model as JSON."""
    office.think(call(("ask_user", {"question": "Who?"})), repeat)
    task_id = await office.submit("ask_user")
    await office.work()
    assert '{"é": [1]}' == output(await office.bring(task_id, answers.answer(None, {"é": [1]})))


async def test_a_sleeping_agent_goes_on_when_its_time_has_come(office: Office) -> None:
    """Two weeks are a row."""
    office.think(call(("sleep", {"seconds": 14 * 86_400})), repeat)
    task_id = await office.submit("sleep")
    await office.work()
    assert Reason.TIMER == (await office.task(task_id)).reason
    office.clock.advance(14 * 86_400 - 1)
    await office.work()
    assert Status.WAITING == (await office.task(task_id)).status
    office.clock.advance(1.1)
    await office.work()
    assert "seconds have passed" in str(output(await office.task(task_id)))
    assert 2 == len(office.llm.requests)


def parent_and_children(request: ModelRequest) -> Reply:
    """The parent runs three tasks; a child answers with its goal, and one of them fails."""
    goal = next(m.text for m in request.messages if isinstance(m, UserMessage))
    if "boss" not in goal:
        return answer(f"done: {goal}")
    if any(isinstance(m, ToolMessage) for m in request.messages):
        return repeat(request)
    return call(("run_tasks", {"goals": ["one", "two", "three"]}))


async def test_an_agent_gives_goals_to_children_and_reads_what_came_of_them(
    office: Office,
) -> None:
    """They are tasks of their own, with its configuration; it sleeps meanwhile and pays nothing twice."""
    office.think(*itertools.repeat(parent_and_children, 5))
    task_id = await office.submit("run_tasks", goal="You are the boss.", max_steps=7)
    await office.work()
    done = await office.task(task_id)
    ended = json.loads(str(output(done)))
    assert ["done: one", "done: two", "done: three"] == [each["output"] for each in ended]
    page = await office.store.page(
        "default", TaskFilter(parent_task_id=task_id), limit=10, cursor=None
    )
    assert {each["task_id"] for each in ended} == {child.task_id for child in page.tasks}
    assert [7, 7, 7] == [c.input_data["agent_config"]["max_steps"] for c in page.tasks]
    assert 5 == len(office.llm.requests)
    assert 1 == len(await office.log(task_id, EventType.TASK_WAITING))


async def test_a_child_that_fails_is_a_result_that_its_parent_reads(office: Office) -> None:
    """The parent is told how it ended and goes on."""

    def think(request: ModelRequest) -> Reply:
        goal = next(m.text for m in request.messages if isinstance(m, UserMessage))
        if "two" in goal:
            return Reply(answer("").message, answer("").usage, "refused", "scripted")
        return parent_and_children(request)

    office.think(*itertools.repeat(think, 5))
    task_id = await office.submit("run_tasks", goal="You are the boss.")
    await office.work()
    ended = json.loads(str(output(await office.task(task_id))))
    assert ["completed", "failed", "completed"] == [each["status"] for each in ended]
    assert "declined" in ended[1]["error"]


async def test_a_child_that_is_refused_fails_the_agents_task(office: Office) -> None:
    """Too deep a family ends; it does not go on without the child."""

    def think(request: ModelRequest) -> Reply:
        if any(isinstance(m, ToolMessage) for m in request.messages):
            return answer("done")
        return call(("run_tasks", {"goals": ["Do what I do."]}))

    office.think(*itertools.repeat(think, 30))
    task_id = await office.submit("run_tasks")
    await office.work()
    assert Status.COMPLETED == (await office.task(task_id)).status
    page = await office.store.page(
        "default", TaskFilter(status=Status.FAILED), limit=10, cursor=None
    )
    assert ["child_refused"] == [task.error.type for task in page.tasks if task.error]
    assert "deeper than 8" in page.tasks[0].error.message  # type: ignore[union-attr]


def hanging() -> tuple[Tool, list[str]]:
    """An unsafe tool that does not come back within its time."""
    calls: list[str] = []

    @tool(name="record", effect="unsafe", timeout_s=0.01)
    async def record(text: str) -> str:
        """Remember the text."""
        calls.append(text)
        await asyncio.Event().wait()
        return "never"

    return record, calls


async def in_doubt(office: Office, made: Tool) -> tuple[str, Task]:
    office.tools["record"] = made
    office.think(call(("record", {"text": "x"})), repeat)
    task_id = await office.submit("record")
    await office.work()
    return task_id, await office.task(task_id)


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_an_unsafe_call_without_an_end_waits_for_a_person(office: Office, how: str) -> None:
    """Time-out or error: nobody knows. The model reads what the person says, and the call was made once."""
    failing = RecordingTool(result=ValueError("boom"))
    made, calls = (failing.tool, failing.calls) if how == "raises" else hanging()
    task_id, task = await in_doubt(office, made)
    assert (Status.WAITING, Reason.EFFECT_UNKNOWN) == (task.status, task.reason)
    assert task.waiting_for is not None
    told = [task.waiting_for[0][key] for key in ("step", "tool", "arguments")]
    assert ["1/tool/1", "record", {"text": "x"}] == told
    done = await office.bring(task_id, answers.resolution("1/tool/1", "happened", "it is there"))
    assert ("it is there", ["x"], 2) == (output(done), calls, len(office.llm.requests))


async def test_an_unsafe_call_is_made_again_only_by_a_persons_word(office: Office) -> None:
    """And is in doubt again when it fails again."""
    failing = RecordingTool(result=ValueError("boom"))
    task_id, _ = await in_doubt(office, failing.tool)
    task = await office.bring(task_id, answers.resolution("1/tool/1", "run_again", None))
    assert (Reason.EFFECT_UNKNOWN, ["x", "x"]) == (task.reason, failing.calls)
    failed = await office.bring(task_id, answers.resolution("1/tool/1", "fail", None))
    assert failed.error is not None
    assert ("effect_unknown", ["x", "x"]) == (failed.error.type, failing.calls)


async def test_a_call_that_failed_before_its_effect_is_told_to_the_model(office: Office) -> None:
    """Nobody is asked: the tool says itself that nothing happened."""
    failing = RecordingTool(result=FailedBeforeEffect("the shop is closed"))
    _, task = await in_doubt(office, failing.tool)
    assert "record failed and had no effect: the shop is closed." == output(task)
    assert ["x"] == failing.calls


async def test_branches_that_wait_for_different_things_wait_for_all_of_them(
    office: Office,
) -> None:
    """Two questions in one step: both are told, each answer is kept, the run goes on with the last."""
    asked = [("ask_user", {"question": q}) for q in ("Who?", "When?")]
    office.think(call(*asked), repeat)
    task_id = await office.submit("ask_user")
    await office.work()
    waiting = await office.task(task_id)
    assert waiting.waiting_for is not None
    assert ["Who?", "When?"] == [each["question"] for each in waiting.waiting_for]
    still = await office.bring(task_id, answers.answer("1/tool/2/input/1", "today"))
    assert still.waiting_for is not None
    assert ["Who?"] == [each["question"] for each in still.waiting_for]
    done = await office.bring(task_id, answers.answer(None, "Ada"))
    assert ("Ada | today", 2) == (output(done), len(office.llm.requests))


async def test_a_task_that_a_person_fails_does_not_wait_for_its_other_branch(
    office: Office,
) -> None:
    """A failure in one branch is told although another one waits."""
    failing = RecordingTool(result=ValueError("boom"))
    office.tools["record"] = failing.tool
    both: Sequence[tuple[str, dict[str, Any]]] = [
        ("ask_user", {"question": "Who?"}),
        ("record", {"text": "x"}),
    ]
    office.think(call(*both), repeat)
    task_id = await office.submit("ask_user", "record")
    await office.work()
    task = await office.bring(task_id, answers.resolution("1/tool/2", "fail", None))
    assert task.error is not None, f"it is {task.status} for {task.waiting_for}"
    assert "effect_unknown" == task.error.type


async def test_inside_a_tool_a_failure_is_told_although_a_branch_waits(office: Office) -> None:
    """A tool that asks and pays at once: a person fails the task for the payment, and is not asked on."""

    async def pay() -> str:
        raise ValueError("boom")

    @tool(effect="pure")
    async def both(context: RunContext) -> str:
        """Ask and pay."""
        return str(await asyncio.gather(context.ask("Who?"), context.step("pay", pay)))

    office.tools["both"] = both
    office.think(call(("both", {})), repeat)
    task_id = await office.submit("both")
    await office.work()
    waiting = await office.task(task_id)
    assert waiting.waiting_for is not None
    paths = ["1/tool/1/input/1", "1/tool/1/value/1"]
    assert paths == [each["step"] for each in waiting.waiting_for]
    task = await office.bring(task_id, answers.resolution(paths[1], "fail", None))
    assert task.error is not None, f"it is {task.status} for {task.waiting_for}"
    assert "effect_unknown" == task.error.type


@pytest.mark.parametrize(("verdict", "calls"), [("approve", ["x"]), ("reject", [])])
async def test_a_call_that_needs_leave_waits_for_a_decision(
    office: Office, verdict: answers.Decision, calls: list[str]
) -> None:
    """Approved it is made once; rejected it is not, and the model reads why."""
    recording = RecordingTool()
    office.tools["record"] = recording.tool
    office.think(call(("record", {"text": "x"})), repeat)
    task_id = await office.submit("record", approve=["record"])
    await office.work()
    waiting = await office.task(task_id)
    assert (Reason.APPROVAL, []) == (waiting.reason, recording.calls)
    done = await office.bring(
        task_id, answers.decision("1/tool/1/approval/1", verdict, "not today")
    )
    assert calls == recording.calls
    assert ("not today" in str(output(done))) == (verdict == "reject")


async def test_a_tool_that_always_needs_leave_waits_for_it(office: Office) -> None:
    """Also where the task did not say so: `needs_approval` is the tool's own word."""
    calls: list[int] = []

    @tool(needs_approval=lambda arguments: arguments["amount"] > 100)
    def pay(amount: int) -> str:
        """Pay."""
        calls.append(amount)
        return f"paid {amount}"

    office.tools["pay"] = pay
    office.think(call(("pay", {"amount": 5}), ("pay", {"amount": 500})), repeat)
    task_id = await office.submit("pay")
    await office.work()
    waiting = await office.task(task_id)
    assert (Reason.APPROVAL, [5]) == (waiting.reason, calls)
    done = await office.bring(task_id, answers.decision("1/tool/2/approval/1", "approve", None))
    assert ("paid 5 | paid 500", [5, 500]) == (output(done), calls)


async def test_leave_for_a_tool_that_the_task_does_not_have_fails_it(office: Office) -> None:
    """A misspelt name must not let the call that was meant be made without anybody's leave."""
    recording = RecordingTool()
    office.tools["record"] = recording.tool
    office.think(call(("record", {"text": "x"})), repeat)
    task_id = await office.submit("record", approve=["recrod"])
    await office.work()
    error = (await office.task(task_id)).error
    assert error is not None
    assert ("unknown_tool", [], 0) == (error.type, recording.calls, len(office.llm.requests))
    assert "recrod" in error.message


async def test_a_task_that_asks_for_a_tool_that_is_not_here_fails(office: Office) -> None:
    """Before the model is paid; the error names what there is."""
    task_id = await office.submit("record")
    await office.work()
    error = (await office.task(task_id)).error
    assert error is not None
    assert ("unknown_tool", 0) == (error.type, len(office.llm.requests))
    assert "calculator" in error.message


async def test_an_agent_whose_tools_changed_while_it_waited_fails_naming_the_step(
    office: Office,
) -> None:
    """The model would be asked something else at the same place."""
    office.think(call(("ask_user", {"question": "Who?"})), repeat)
    task_id = await office.submit("ask_user")
    await office.work()
    log = office.store._log
    key = next(key for key in log if key.task_id == task_id)
    for place, event in enumerate(log[key]):
        if event.journal and event.journal["path"] == "1/llm":
            object.__setattr__(log[key][place], "journal", {**event.journal, "hash": "other"})
    failed = await office.bring(task_id, answers.answer(None, "Ada"))
    assert failed.error is not None
    assert (Reason.NONDETERMINISTIC, "nondeterministic") == (failed.reason, failed.error.type)
    assert "1/llm" in failed.error.message
