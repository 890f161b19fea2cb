"""A worker's desk in memory: the real agent handler, a scripted model, the in-memory store."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from agentkit import LlmClient, LongTermMemory
from agentkit.testing import ScriptedLlm
from agentkit.testing.scripted_llm import Line
from agentkit.tools import Tool
from agentkit.tools.builtin import ask_user, calculator, current_time, run_tasks, sleep
from ops_core.agents import AgentService, AgentStore
from ops_core.agents.request import VersionRequest
from ops_core.answers import answer
from ops_core.bodies import parsed
from ops_core.execute import Executor
from ops_core.log import Event
from ops_core.overrides import parse_fork
from ops_core.ports import Profile, TaskStore, WorkerStore
from ops_core.request import parse_request
from ops_core.service import TaskService
from ops_core.store import Database, SqlAgentStore, SqlTaskStore, SqlWorkerStore
from ops_core.task import JsonObject, Task
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter
from opspawn.agents.contract import AGENT_KIND, AGENT_RUN, TASK_TYPES
from opspawn.agents.handler import AgentHandler
from opspawn.agents.mcp_tools import McpTools
from opspawn.settings import Settings


class ScriptedProviders:
    """Gives each task the one scripted model, under the name that it asks for; the others by theirs."""

    def __init__(self, script: Sequence[Line], default: str, others: Sequence[LlmClient]) -> None:
        self.llm = ScriptedLlm(script)
        self._default = default
        self._others = {other.model: other for other in others}

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        """See `Providers.client`."""
        if model in self._others:
            return self._others[model]
        self.llm.model = model or self._default
        return self.llm

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""


class AgentDesk:
    """Submits tasks, and runs them one at a time; in memory, or in a database that is given."""

    def __init__(
        self, *tools: Tool, database: Database | None = None, store: type[MemoryStore] = MemoryStore
    ) -> None:
        self.clock = FrozenClock()
        self.store = store(self.clock)
        self._tasks: TaskStore = SqlTaskStore(database) if database else self.store
        self._workers: WorkerStore = SqlWorkerStore(database) if database else self.store
        agents: AgentStore = SqlAgentStore(database) if database else self.store.agents
        self.service = TaskService(self._tasks, TASK_TYPES, lambda *_: None, agents)
        self.agents = AgentService(agents, AGENT_KIND)
        builtin = (calculator, current_time, ask_user, sleep, run_tasks)
        self.tools = {tool.name: tool for tool in (*builtin, *tools)}
        self.settings = Settings(_env_file=None, llm_provider="local")
        self.mcp: McpTools | None = None
        self.memory: LongTermMemory | None = None
        self.other_models: list[LlmClient] = []

    async def define(self, name: str, **definition: Any) -> str:
        """Stores the next version of an agent; returns it as a task names it."""
        request = parsed(VersionRequest, {"definition": definition})
        saved = await self.agents.put(name, request, tenant_id="default", by="test")
        return f"{name}@{saved.agent.version}"

    async def submit(self, goal: str = "Do it.", **config: Any) -> str:
        return await self.ask(goal, config=config)

    async def ask(
        self, goal: str, *, config: JsonObject | None = None, user: str | None = None, **fields: Any
    ) -> str:
        """Submits a task with fields of its own: an agent, a thread."""
        data = {"goal": goal, **({"agent_config": config} if config else {})}
        data |= {"user": user} if user else {}
        request = parse_request({"task_type": AGENT_RUN, "input_data": data, **fields})
        return (await self.service.submit(request, tenant_id="default")).task.task_id

    async def fork(self, task_id: str, after_seq: int, **overrides: Any) -> str:
        request = parse_fork({"after_seq": after_seq, "overrides": overrides})
        forked = await self.service.fork(task_id, request, tenant_id="default")
        return forked.task.task_id

    async def run(
        self, *script: Line, worker: str = "w1", default_model: str = "scripted"
    ) -> ScriptedLlm:
        """Claims the next task and runs it as far as it goes; returns the model that it asked."""
        providers = ScriptedProviders(script, default_model, self.other_models)
        handler = AgentHandler(
            self.settings,
            providers,
            self.tools,
            self.service.submit,
            mcp=self.mcp,
            memory=self.memory,
        )
        profile = Profile(pins={AGENT_RUN: handler.pins}, supports=handler.supports)
        await self._workers.beat(worker, ["default"], slots=1, running=0, profile=profile)
        [task] = await self._workers.claim(worker, ["default"], 1)
        writer = StepWriter(self._workers)
        writing = asyncio.create_task(writer.run())
        executor = Executor(self._workers, writer, {AGENT_RUN: handler})
        try:
            await executor.execute(executor.open(task))
        finally:
            writing.cancel()
        return providers.llm

    async def woken(self) -> None:
        """Upkeep has told the ended of their ends and woken whose time has come."""
        self.clock.advance(3600)
        await self.store.tell_ends(10)
        await self.store.wake(10)

    async def answer(self, task_id: str, text: str) -> None:
        """Answers the one question that is open."""
        await self._tasks.signal("default", task_id, answer(None, text))

    async def cancel(self, task_id: str) -> None:
        await self._tasks.cancel("default", task_id)

    async def task(self, task_id: str) -> Task:
        return await self._tasks.get("default", task_id)

    async def log(self, task_id: str) -> list[Event]:
        return await self._tasks.log("default", task_id)

    async def count(self, task_id: str, kind: str) -> int:
        """How many events of this type there are."""
        return sum(event.type == kind for event in await self.log(task_id))

    async def seq_of(self, task_id: str, kind: str) -> int:
        """Of the first event of this type."""
        return next(event.seq for event in await self.log(task_id) if event.type == kind)
