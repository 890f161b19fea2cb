"""What an agent takes of its worker's memory while it waits for its model."""

import asyncio
import tracemalloc
from typing import Final

import pytest
from benchmarks.waiting_model import WaitingModel

from ops_core.execute import Executor
from ops_core.service import Submitted
from ops_core.task import NewTask, Task, new_task_id
from ops_core.testing import MemoryStore
from ops_core.writer import StepWriter
from opspawn.agents import toolbox
from opspawn.agents.contract import AGENT_RUN
from opspawn.agents.handler import AgentHandler
from opspawn.settings import Settings

pytestmark = pytest.mark.unit

AGENTS: Final = 200

#: With its messages, and without the row of its task: it was 8,000 when this was written. Bytes.
AT_MOST: Final = 9_500


async def test_an_agent_that_waits_for_its_model_takes_little() -> None:
    """Ten thousand of them fit a small machine: there is no frame, task or set more than work needs."""
    model = WaitingModel(1 + AGENTS)
    handler = AgentHandler(Settings(_env_file=None), model, dict(toolbox.load([])), _no_children)
    store = MemoryStore()
    executor = Executor(store, StepWriter(store), {AGENT_RUN: handler})
    first, *others = await _claimed(store, 1 + AGENTS)
    running = [asyncio.create_task(executor.execute(executor.open(first)))]
    while not model.waiting:  # what is made once, for all of them, is there
        await asyncio.sleep(0)
    tracemalloc.start()
    try:
        running += [asyncio.create_task(executor.execute(executor.open(one))) for one in others]
        await model.all_wait.wait()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert AT_MOST > held / AGENTS


async def _claimed(store: MemoryStore, count: int) -> list[Task]:
    for number in range(count):
        goal = {"goal": f"What is 17 * 23? {number}"}
        new = NewTask(
            task_id=new_task_id(), tenant_id="default", task_type=AGENT_RUN, input_data=goal
        )
        await store.submit(new)
    await store.beat("w", ["default"], slots=count, running=0)
    return await store.claim("w", ["default"], count)


async def _no_children(*_: object, **__: object) -> Submitted:
    raise AssertionError("these agents start no others")
