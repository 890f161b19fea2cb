"""What agents ask people, through to the call that is made: the real handler over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from agentkit.llm import LlmClient, ModelRequest
from agentkit.messages import Reply, ToolMessage
from agentkit.testing import ScriptedLlm, answer, call
from agentkit.tools import Tool, tool
from ops_core.asks.approvals import ApprovalService
from ops_core.execute import Executor
from ops_core.log import EventType
from ops_core.replies import ApprovalReply
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.task import JsonObject, Status, Task
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter
from opspawn.agents import toolbox
from opspawn.agents.contract import AGENT_RUN, TASK_TYPES
from opspawn.agents.handler import AgentHandler
from opspawn.settings import Settings

pytestmark = pytest.mark.unit


def repeat(request: ModelRequest) -> Reply:
    """Answers with what the tools said."""
    seen = [m.text for m in request.messages if isinstance(m, ToolMessage)]
    return answer(" | ".join(seen))


class Site:
    """A store, a tool that pays, and workers that live for one claim."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.writer = StepWriter(self.store)
        self.service = TaskService(self.store, TASK_TYPES, lambda *_: None)
        self.approvals = ApprovalService(self.store, self.service)
        self.llm = ScriptedLlm([call(("pay", {"eur": 500})), repeat])
        self.paid: list[int] = []
        self.settings = Settings()

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        return self.llm

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""

    def tool(self, within_s: float | None = None) -> Tool:
        @tool(needs_approval=True, approve_within_s=within_s)
        def pay(eur: int) -> str:
            """Pay."""
            self.paid.append(eur)
            return f"paid {eur}"

        return pay

    async def asks(self, pays: Tool, **config: object) -> str:
        """The task that now waits for leave to pay."""
        self.tools = dict(toolbox.load([])) | {"pay": pays}
        data = {"goal": "Pay.", "agent_config": {"tools": ["pay"], **config}}
        request = parse_request({"task_type": AGENT_RUN, "input_data": data})
        task = (await self.service.submit(request, tenant_id="default")).task
        assert Status.WAITING is (await self.work(task.task_id)).status
        return task.task_id

    async def claim(self, worker: str) -> Task:
        await self.store.beat(worker, ["default"], slots=1, running=0)
        [task] = await self.store.claim(worker, ["default"], 1)
        return task

    async def work(self, task_id: str) -> Task:
        """A new worker runs it from its log."""
        handler = AgentHandler(self.settings, self, self.tools, self.service.submit)
        executor = Executor(self.store, self.writer, {AGENT_RUN: handler})
        await executor.execute(executor.open(await self.claim("w")))
        return await self.store.get("default", task_id)

    async def decide(self, task_id: str, **reply: Any) -> None:
        page = await self.approvals.list(tenant_id="default", task_id=task_id)
        await self.approvals.resolve(
            page.asks[0].ask_id, ApprovalReply(**reply), tenant_id="default", by="ann"
        )

    async def said(self, task_id: str, kind: EventType) -> JsonObject:
        log = await self.store.log("default", task_id)
        [event] = [event for event in log if event.type == kind]
        return event.data


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    writing = asyncio.create_task(site.writer.run())
    yield site
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_the_call_is_made_with_a_person_s_arguments_and_the_log_has_both(site: Site) -> None:
    """What the model wrote was asked about; what the person gave was made, once."""
    task_id = await site.asks(site.tool())
    await site.decide(task_id, decision="approve", arguments={"eur": 4}, comment="Less.")
    done = await site.work(task_id)
    assert ([4], {"output": "paid 4", "structured": None, "artifacts": []}) == (
        site.paid,
        done.result,
    )
    assert {"eur": 500} == (await site.said(task_id, EventType.APPROVAL_REQUESTED))["arguments"]
    resolved = await site.said(task_id, EventType.APPROVAL_RESOLVED)
    assert ({"eur": 4}, "ann", "Less.") == (
        resolved["arguments"],
        resolved["by"],
        resolved["comment"],
    )
    for kind in (EventType.TOOL_DISPATCHED, EventType.TOOL_COMPLETED):
        assert {"eur": 4} == (await site.said(task_id, kind))["arguments"]


async def test_leave_outlives_the_worker_that_would_have_used_it(site: Site) -> None:
    """Its process dies after the decision and before the call: another makes it, once."""
    task_id = await site.asks(site.tool())
    await site.decide(task_id, decision="approve", arguments={"eur": 4})
    await site.claim("dead")
    site.clock.advance(60)
    assert 1 == await site.store.bury_workers(10)
    done = await site.work(task_id)
    assert ([4], Status.COMPLETED) == (site.paid, done.status)


async def test_leave_that_came_in_time_is_leave_however_late_the_call_is(site: Site) -> None:
    """Upkeep looks after its time: it finds it decided, and so does the worker."""
    task_id = await site.asks(site.tool(within_s=60))
    await site.decide(task_id, decision="approve")
    site.clock.advance(3600)
    assert 0 == await site.store.expire_asks(10)
    assert Status.COMPLETED is (await site.work(task_id)).status
    assert [500] == site.paid


async def test_nobody_in_time_is_no(site: Site) -> None:
    """The call is not made, the model reads why, and the task goes on."""
    task_id = await site.asks(site.tool(within_s=60))
    site.clock.advance(61)
    assert 1 == await site.store.expire_asks(10)
    done = await site.work(task_id)
    assert ([], True) == (site.paid, "nobody decided in time" in str(done.result))


@pytest.mark.parametrize(
    ("of_tool", "of_task", "of_server", "expected"),
    [
        (None, None, None, None),
        (60, None, None, 60),
        (60, 30, None, 30),
        (60, 90, 45, 45),
        (None, 7.5, None, 7.5),
    ],
)
async def test_the_shortest_time_that_is_given_counts(
    site: Site,
    of_tool: float | None,
    of_task: float | None,
    of_server: float | None,
    expected: float | None,
) -> None:
    """A task cannot make more of what the operator allows, nor the other way about."""
    site.settings = Settings(answer_within_s=of_server)
    config = {} if of_task is None else {"answer_within_s": of_task}
    await site.asks(site.tool(of_tool), **config)
    [ask] = (await site.approvals.list(tenant_id="default")).asks
    given_s = ask.expires_at and round((ask.expires_at - ask.requested_at).total_seconds(), 1)
    assert expected == given_s
