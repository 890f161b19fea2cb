"""An agent as a tool of another: the model hands a part of its work over, and reads the answer."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Annotated

from agentkit.agent import Agent
from agentkit.context import RunContext
from agentkit.errors import LimitExceeded, UsageError
from agentkit.events import Finished, HandedOver
from agentkit.tools import Tool, tool

DEFAULT_TIMEOUT_S = 600.0
"""An agent makes many calls; what it waits for (a person, a timer) does not count."""

MAX_DEPTH = 3
"""Agents one inside the other. Each level multiplies what a run may cost, and nobody reads along."""


class HandoffFailed(Exception):
    """The agent has no whole answer; the text is written for the model that called it."""


def handoff(
    agent: Agent,
    description: str,
    *,
    name: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_depth: int = MAX_DEPTH,
) -> Tool:
    """The agent as a tool that takes a goal and returns its answer; `name` is its profile's.

    Its steps are recorded under the call's path, its events are told as `HandedOver`, and what it
    uses counts for the limits of the run around. A call of its tools is made when its own security
    manager and that of the calling agent allow it. It knows the goal it is given and nothing else.
    A limit of its own, or an end without an answer, is an error that the calling model reads;
    what a provider or the journal raises ends both runs. Raises UsageError for an agent with a
    journal of its own.
    """
    if agent.journal is not None:
        raise UsageError(
            f"Agent {agent.profile.name} has a journal of its own, and an agent that is called as "
            "a tool keeps its steps in the journal of the run around it: make it without."
        )

    @tool(name=name or agent.profile.name, effect="pure", timeout_s=timeout_s)
    async def hand_over(
        context: RunContext,
        goal: Annotated[str, "what to reach, in words that need nothing else to be understood"],
    ) -> str:
        """Replaced by the description."""
        around = context.surroundings
        if around is not None and around.depth >= max_depth:
            raise HandoffFailed(f"at most {max_depth} agents call each other: do it yourself")
        try:
            finished = await _finished(agent, goal, context)
        except LimitExceeded as error:
            raise _reached(error, context) from error
        # What would end a run of its own ends this one: a provider is down, a key is wrong.
        except Exception as error:
            raise context.ended_by(error) from error
        if finished.reason != "answered":
            raise HandoffFailed(
                f"it ended without an answer ({finished.reason}): {finished.output}"
            )
        return finished.output

    # Pure, like `run_tasks`: what it does has effects of its own, each recorded for itself.
    return replace(hand_over, spec=replace(hand_over.spec, description=description))


async def _finished(agent: Agent, goal: str, context: RunContext) -> Finished:
    """The end of a run inside the call, whose every event is told."""
    around = context.surroundings
    deltas = False if around is None else around.deltas
    step, call_id, name = context.step_number, context.call_id, agent.profile.name
    async with aclosing(agent.stream(goal, deltas=deltas, inside=context)) as events:
        async for event in events:
            context.tell(HandedOver(step, call_id, name, event))
            if isinstance(event, Finished):
                return event
    raise AssertionError("a run that does not raise ends with Finished")


def _reached(error: LimitExceeded, context: RunContext) -> BaseException:
    """What to raise: a limit of the agent is for the calling model, one around it ends the run."""
    if context.surroundings is not None:
        try:
            context.surroundings.meter.check()
        except LimitExceeded as around:
            return context.ended_by(around)
    return HandoffFailed(f"{error.message} So far: {error.partial_output or 'nothing'}")
