"""The worker process: the one process that imports agents and model SDKs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

from dramatiq import Broker

from agentkit import ChromaLongTermMemory
from ops_core.ports import Bell, Profile, WorkerStore
from ops_core.queue.alone import run_alone
from ops_core.queue.isolation import Isolate
from ops_core.queue.worker import Worker
from ops_core.streams.signals import Signals
from opspawn.agents.checks import check
from opspawn.agents.contract import AGENT_RUN
from opspawn.agents.handler import AgentHandler, Submit
from opspawn.agents.mcp_servers import McpConfigError
from opspawn.agents.mcp_tools import McpTools
from opspawn.agents.memory import MemoryUnusable, is_open, open_now, remembering
from opspawn.agents.providers import Providers, default_choice
from opspawn.agents.toolbox import ToolError, opened
from opspawn.settings import Settings

__all__ = [
    "McpConfigError",
    "MemoryUnusable",
    "ToolError",
    "check",
    "default_choice",
    "is_open",
    "remembering",
    "run_worker",
]


async def run_worker(  # noqa: PLR0913  each is a part of the process
    settings: Settings,
    store: WorkerStore,
    broker: Broker,
    bell: Bell,
    submit: Submit,
    stop: asyncio.Event,
    *,
    isolate: Isolate | None,
    started: Callable[[], None] = lambda: None,
    signals: Signals | None = None,
    memory: ChromaLongTermMemory | None = None,
) -> None:
    """Runs tasks until `stop` is set, then drains. Raises `ToolError` for a tool that cannot be used, and
    `McpConfigError` and `MemoryUnusable` for MCP servers and a memory that cannot be set up.

    `started` is called when all is set up. `isolate` starts the process that runs suspects. None: this is
    that process, and ends by itself too. `memory`: one that the caller closes; None: what the settings say.
    """
    async with AsyncExitStack() as stack:
        tools = await stack.enter_async_context(opened(settings))
        mcp = McpTools(settings)
        providers = Providers(settings)
        stack.push_async_callback(providers.close)
        providers.check_default()
        alone = isolate is None
        memory = await stack.enter_async_context(_memory(settings, memory, now=not alone))
        handler = AgentHandler(
            settings, providers, tools, submit, mcp=mcp, memory=memory, signals=signals
        )
        profile = Profile(
            pins={AGENT_RUN: handler.pins}, supports=handler.supports, version=version("opspawn")
        )
        worker = Worker(
            store,
            broker,
            bell,
            {AGENT_RUN: handler},
            profile=replace(profile, alone=alone),
            queues=settings.queues,
            slots=1 if alone else settings.worker_slots,
            heartbeat_s=settings.heartbeat_s,
            drain_grace_s=settings.drain_grace_s,
            isolate=isolate,
        )
        async with mcp:
            started()
            await (run_alone(worker, stop) if alone else worker.run(stop))


@asynccontextmanager
async def _memory(
    settings: Settings, given: ChromaLongTermMemory | None, *, now: bool
) -> AsyncIterator[ChromaLongTermMemory | None]:
    """The one that is given, which the caller closes; else that of the settings.

    Not `now`: a folder belongs to the worker that started this process, and a suspect that needs it reads so.
    """
    if given is None:
        async with remembering(settings, now=now) as memory:
            yield memory
        return
    if now:
        await open_now(given)
    yield given
