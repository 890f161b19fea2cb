"""A plan as the model writes it, and what makes it one that can be carried out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from agentkit.events import PlannedStep
from agentkit.messages import ToolSpec
from agentkit.output import OutputSpec
from agentkit.planning.references import referred
from agentkit.wire import from_json

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")

_LONGEST_QUOTE = 300

_STEP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "tool", "arguments"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "tool": {"type": "string"},
        "arguments": {"type": "object"},
        "after": {"type": "array", "items": {"type": "string"}},
    },
}


class InvalidPlan(ValueError):
    """A plan cannot be carried out; the text is written for the model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a plan, in the order in which the model wrote them."""

    steps: tuple[PlannedStep, ...]


def plan_output() -> OutputSpec:
    """What the model must write."""
    schema = {
        "title": "plan",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": False,
        "properties": {"steps": {"type": "array", "items": _STEP_SCHEMA}},
    }
    return OutputSpec("plan", schema)


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
        steps = from_json(Plan, json.loads(text)).steps
    except ValueError as error:
        raise InvalidPlan(f"it is not a plan: {_shape_problem(error)}"[:_LONGEST_QUOTE]) from None
    problem = _problem(steps, tools, succeeded, max_steps)
    if problem is not None:
        raise InvalidPlan(problem[:_LONGEST_QUOTE])
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


def _shape_problem(error: ValueError) -> str:
    # Imported here: only a client that does not hold its answers against a schema leads here.
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
    )


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
