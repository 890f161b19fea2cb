"""The shape of a plan: what providers are told of it, and what is taken from a model.

Providers that hold a model to a schema want every object closed and every field there, so the
arguments, which differ from tool to tool, are asked for as JSON in a text. A model that is not held
to it may write the object itself.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

SCHEMA: dict[str, Any] = {
    "title": "plan",
    "type": "object",
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {
        "steps": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "tool", "arguments", "after"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "tool": {"type": "string"},
                    "arguments": {"type": "string", "description": "A JSON object, as text."},
                    "after": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}


class StepShape(BaseModel):
    """One step, as a model may write it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    tool: str
    arguments: dict[str, Any] | str
    after: tuple[str, ...] = ()


class PlanShape(BaseModel):
    """All steps."""

    model_config = ConfigDict(extra="forbid")

    steps: tuple[StepShape, ...]
