"""Whether a task is accepted: its request is held against the type of task that it names."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import TaskType
from ops_core.references import wrong_reference
from ops_core.request import TaskRequest
from ops_core.schemas import schema_errors, too_many_values
from ops_core.task import JsonObject


class Acceptance:
    """What each type of task takes."""

    def __init__(self, types: Mapping[str, TaskType]) -> None:
        self._types = types
        self._validators = {
            name: Draft202012Validator(task_type.input_schema) for name, task_type in types.items()
        }

    def checked(self, request: TaskRequest) -> TaskRequest:
        """The request with older names of its input replaced, if a worker could run it.

        Raises `InvalidRequest` naming each wrong field.
        """
        task_type = self._types.get(request.task_type)
        if task_type is None:
            known = ", ".join(sorted(self._types))
            raise InvalidRequest(
                [FieldError("task_type", f"is unknown; known task types: {known}")]
            )
        data = _renamed(request.input_data, task_type.aliases)
        if request.output_schema:
            data = _with_schema(data, request.output_schema, task_type)
        request = request.model_copy(update={"input_data": data, "output_schema": None})
        errors = _too_large(request.input_data, task_type)
        validator = self._validators[request.task_type]
        errors = errors or schema_errors(validator, request.input_data, "input_data")
        errors = errors or _wrong_references(request.input_data, task_type)
        if errors:
            raise InvalidRequest(errors)
        return request


def _renamed(data: JsonObject, aliases: Mapping[str, str]) -> JsonObject:
    for old, new in aliases.items():
        if old in data and new in data:
            raise InvalidRequest(
                [FieldError(f"input_data.{old}", f"is the older name of {new}; send one")]
            )
    return {aliases.get(key, key): value for key, value in data.items()}


def _with_schema(data: JsonObject, schema: JsonObject, task_type: TaskType) -> JsonObject:
    """The input with the schema of the answer where workers of this task type look for it."""
    if task_type.output_schema is None:
        problem = f"is not taken by tasks of type {task_type.name}"
        raise InvalidRequest([FieldError("output_schema", problem)])
    *way, name = task_type.output_schema
    data = dict(data)
    inside = data
    for step in way:
        inner = inside.get(step, {})
        if not isinstance(inner, dict):
            return data  # which is refused for what it is
        inside[step] = inside = dict(inner)
    if inside.get(name, schema) != schema:
        place = ".".join(("input_data", *task_type.output_schema))
        raise InvalidRequest([FieldError("output_schema", f"is another one in {place}; send one")])
    inside[name] = schema
    return data


def _too_large(data: JsonObject, task_type: TaskType) -> list[FieldError]:
    """What a task says of its agent, where a schema of its own may stand, is bounded before it is checked."""
    way = task_type.agent_kind.config if task_type.agent_kind else task_type.output_schema or ()
    inside: Any = data
    for step in way:
        inside = inside.get(step) if isinstance(inside, dict) else None
    return too_many_values(inside, ".".join(("input_data", *way))) if way else []


def _wrong_references(data: JsonObject, task_type: TaskType) -> list[FieldError]:
    """What the schema of the answer refers to and does not hold; the data is valid otherwise."""
    way = task_type.output_schema
    if way is None:
        return []
    inside: Any = data
    for step in way:
        inside = inside.get(step, {})
    if not inside:  # as in most requests; there is no reference to follow
        return []
    problem = wrong_reference(inside)
    return [] if problem is None else [FieldError(".".join(("input_data", *way)), problem)]
