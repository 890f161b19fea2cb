"""Runs of agents, one of each kind that a log can tell of: what replay is tested with.

`python -m support.agent_runs FOLDER` (in `tests/`) records them all. The files in `tests/data/runs` were made
so by the builds that wrote such logs; they are kept as they are.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

from agentkit import tool
from agentkit.errors import ProviderUnavailable
from agentkit.testing import call
from agentkit.tools import Tool
from ops_core.answers import answer, decision, resolution
from ops_core.log import EventType
from opspawn.replay import Recording, save
from support.agent_desk import AgentDesk


@tool(effect="unsafe")
async def send(text: Annotated[str, "what to send"]) -> str:
    """Send a message."""
    if text == "lost":
        raise ConnectionResetError("nobody knows")
    return f"sent {text}"


@tool(effect="idempotent")
async def book(text: Annotated[str, "what to book"]) -> str:
    """Book something."""
    return f"booked {text}"


TOOLS: Final[tuple[Tool, ...]] = (send, book)

Scenario = Callable[[AgentDesk], Awaitable[str]]


async def calculates(desk: AgentDesk) -> str:
    """Two calls side by side, then an answer."""
    task = await desk.submit("What is 17 * 23, and now?", llm_model="small")
    sums = ("calculator", {"expression": "17 * 23"})
    await desk.run(call(sums, ("current_time", {}), thought="I add."), "391.")
    return task


async def plans(desk: AgentDesk) -> str:
    """A plan of two waves, of which a step fails; another one, and an answer."""
    task = await desk.submit("Send it.", tools=["send", "book"], planner_type="plan_execute")
    first = [
        {"id": "a", "tool": "book", "arguments": {"text": "b"}},
        {"id": "b", "tool": "send", "arguments": {"text": "${a}"}},
        {"id": "c", "tool": "book", "arguments": {"when": "${b}"}},
    ]
    second = [{"id": "d", "tool": "book", "arguments": {"text": "${b} again"}}]
    script = [json.dumps({"steps": steps}) for steps in (first, second)]
    await desk.run(*script, "Sent and booked.")
    return task


async def acts(desk: AgentDesk) -> str:
    """An unsafe and an idempotent call, a tool that is not there, and arguments that are wrong."""
    task = await desk.submit("Send it.", tools=["send", "book"], max_steps=5)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("send", {"text": "a"}),
        ("book", {"text": "b"}),
        ("fly", {}),
        ("book", {"when": 1}),
    ]
    await desk.run(call(*calls), "Sent and booked.")
    return task


async def asks(desk: AgentDesk) -> str:
    """A question that a client answers, and leave that one gives."""
    task = await desk.submit("Ask.", tools=["ask_user", "send"], approve=["send"])
    await desk.run(call(("ask_user", {"question": "Which?"})))
    await desk.store.signal("default", task, answer(None, "The second."))
    await desk.run(call(("send", {"text": "second"})))
    await desk.store.signal("default", task, decision("2/tool/1/approval/1", "approve", "yes"))
    await desk.run("Sent.")
    return task


async def waits(desk: AgentDesk) -> str:
    """A sleep, and two children side by side."""
    task = await desk.submit("Wait.", tools=["sleep", "run_tasks"])
    await desk.run(call(("sleep", {"seconds": 60})))
    await desk.woken()
    await desk.run(call(("run_tasks", {"goals": ["a", "b"]})))
    await desk.run("A.")
    await desk.run("B.")
    await desk.woken()
    await desk.run("Both are done.")
    return task


async def doubts(desk: AgentDesk) -> str:
    """A call of which nobody knows, until a person does."""
    task = await desk.submit("Send it.", tools=["send"])
    await desk.run(call(("send", {"text": "lost"})))
    await desk.store.signal("default", task, resolution("1/tool/1", "happened", "It arrived."))
    await desk.run("It arrived.")
    return task


async def forks(desk: AgentDesk) -> str:
    """Another model, with another result of a tool."""
    first = await calculates(desk)
    after = await desk.seq_of(first, EventType.TOOL_COMPLETED) + 1
    task = await desk.fork(first, after, model="large", tool_results={"1/tool/1": "392"})
    await desk.run("392, they say.")
    return task


async def is_limited(desk: AgentDesk) -> str:
    """It comes to the end of its steps."""
    task = await desk.submit("Go on.", max_steps=2)
    again = [call(("calculator", {"expression": f"{n}"})) for n in range(2)]
    await desk.run(*again)
    return task


async def is_refused(desk: AgentDesk) -> str:
    """Its provider takes no more, in the middle."""
    task = await desk.submit("Go on.")
    failed = ProviderUnavailable("away")
    await desk.run(call(("calculator", {"expression": "1"})), failed)
    await desk.cancel(task)
    return task


async def is_waiting(desk: AgentDesk) -> str:
    """It has asked, and nobody has answered yet."""
    task = await desk.submit("Ask.", tools=["ask_user"])
    await desk.run(call(("ask_user", {"question": "Which?"})))
    return task


SCENARIOS: Final[tuple[Scenario, ...]] = (
    calculates,
    acts,
    plans,
    asks,
    waits,
    doubts,
    forks,
    is_limited,
    is_refused,
    is_waiting,
)


async def recorded(scenario: Scenario) -> Recording:
    desk = AgentDesk(*TOOLS)
    task_id = await scenario(desk)
    return Recording.of(await desk.task(task_id), await desk.log(task_id), desk.settings)


def main(folder: Path) -> None:
    for scenario in SCENARIOS:
        save(asyncio.run(recorded(scenario)), folder / f"{scenario.__name__}.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
