"""A scout that looks things up, and the agent that calls it, as tests of handing work over need them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from agentkit import Agent, AgentProfile, AllowList, RunResult, Tool, handoff
from agentkit.events import Event, HandedOver, ToolFinished
from agentkit.messages import ToolMessage, Usage
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call

PAID = Usage(10, 5, Decimal("0.001"))
LOOK = call(("look", {"text": "Ada"}), usage=PAID)
FOUND = answer("A mathematician.", PAID)
ASK = call(("scout", {"goal": "Who is Ada?"}), usage=PAID)
DONE = answer("Done.", PAID)


def scout(*script: Any, tools: list[Tool] | None = None, **options: Any) -> Agent:
    """The agent that is called: by default it may look."""
    options.setdefault("security", AllowList(["look"]))
    options.setdefault("llm", ScriptedLlm(script))
    tools = [RecordingTool("look", "x", "pure").tool] if tools is None else tools
    return Agent(tools=tools, profile=AgentProfile("scout", "You look."), **options)


def boss(*script: Any, inner: Agent, **options: Any) -> Agent:
    """The agent that calls it: it allows what the scout may do, too."""
    options.setdefault("security", AllowList(["scout", "look"]))
    return Agent(
        ScriptedLlm(script),
        tools=[handoff(inner, "Finds things out.")],
        profile=AgentProfile("boss"),
        **options,
    )


def observation(result: RunResult) -> ToolMessage:
    return next(e.observation for e in result.events if isinstance(e, ToolFinished))


def inner_events(events: list[Event] | tuple[Event, ...]) -> list[Event]:
    return [event.event for event in events if isinstance(event, HandedOver)]
