"""A plan as the model writes it, and what makes it one that can be carried out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from agentkit.events import PlannedStep
from agentkit.messages import ToolSpec
from agentkit.output import DoesNotFit, OutputSpec
from agentkit.planning.references import referred
from agentkit.quote import quote
from agentkit.wire import foreign_json

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class InvalidPlan(ValueError):
    """A plan cannot be carried out; the text is written for the model."""


def plan_output() -> OutputSpec:
    """What the model must write."""
    # Imported here: pydantic would be most of what importing a planner costs.
    from agentkit.planning.plan_shape import SCHEMA, PlanShape

    return OutputSpec("plan", SCHEMA, PlanShape)


def described(tools: Sequence[ToolSpec]) -> str:
    """The tools as the planning model reads of them: it is offered none."""
    if not tools:
        return "There are no tools."
    return "Tools:\n" + "\n".join(
        f"- {tool.name}: {tool.description}\n  parameters: {json.dumps(tool.parameters)}"
        for tool in tools
    )


def read_plan(
    text: str, tools: Collection[str], succeeded: Collection[str], max_steps: int
) -> tuple[PlannedStep, ...]:
    """The steps of a plan. Raises InvalidPlan, naming what is wrong.

    `succeeded` are steps of earlier plans, which this one may refer to and must not repeat.
    """
    try:
        written: Any = plan_output().parse(text)
    except DoesNotFit as error:
        raise InvalidPlan(quote(f"it is no plan: {error}")) from None
    steps = tuple(map(_step, written["steps"]))
    problem = _problem(steps, tools, succeeded, max_steps)
    if problem is not None:
        raise InvalidPlan(quote(problem))
    return steps


def needs(step: PlannedStep) -> tuple[str, ...]:
    """The ids of the steps that must come first, each once."""
    return tuple(dict.fromkeys((*step.after, *referred(step.arguments))))


def ready(plan: Iterable[PlannedStep], succeeded: Collection[str]) -> tuple[PlannedStep, ...]:
    """The steps that wait for nothing any more: those of the next wave."""
    return tuple(
        step
        for step in plan
        if step.id not in succeeded and all(name in succeeded for name in needs(step))
    )


def _step(written: dict[str, Any]) -> PlannedStep:
    arguments = written["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = foreign_json(arguments or "{}")
        except ValueError as error:
            problem = f"step {written['id']}: its arguments are no JSON: {error}"
            raise InvalidPlan(quote(problem)) from None
    if not isinstance(arguments, dict):
        raise InvalidPlan(quote(f"step {written['id']}: its arguments are no JSON object"))
    return PlannedStep(written["id"], written["tool"], arguments, tuple(written["after"]))


def _problem(
    steps: Sequence[PlannedStep],
    tools: Collection[str],
    succeeded: Collection[str],
    max_steps: int,
) -> str | None:
    if len(steps) > max_steps:
        return f"it has {len(steps)} steps, and {max_steps} are the most"
    graph: Mapping[str, tuple[str, ...]] = {step.id: needs(step) for step in steps}
    if len(graph) < len(steps):
        return "two of its steps have the same id"
    for step in steps:
        if problem := _step_problem(step, tools, succeeded, graph):
            return problem
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return f"steps wait for each other: {' → '.join(error.args[1])}"
    return None


def _step_problem(
    step: PlannedStep, tools: Collection[str], succeeded: Collection[str], graph: Collection[str]
) -> str | None:
    if not _ID.fullmatch(step.id):
        return f"{step.id!r} is no id: use letters, digits, _ and -, at most 40"
    if step.id in succeeded:
        return f"a step {step.id} was carried out already: give new steps new ids"
    if step.tool not in tools:
        return f"step {step.id}: there is no tool {step.tool!r}"
    strangers = [name for name in needs(step) if name not in graph and name not in succeeded]
    return f"step {step.id} refers to {strangers[0]!r}, which is no step" if strangers else None
